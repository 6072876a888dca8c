//! The peers that are no dependencies of ours: built here, measured through their own binary.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that this binary was built into, three levels up: `target/release/examples/race`.
pub(crate) fn target_folder() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or_else(|| io::Error::other("this binary lies in no target folder"))?;
    Ok(target.to_owned())
}

/// A nested package's manifest.
pub(crate) fn manifest(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(package).join("Cargo.toml")
}

/// The cargo that runs this, or the one there is.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// Builds them into a folder of their own and says where the binary is.
pub(crate) fn build(target: &Path, all: bool) -> io::Result<PathBuf> {
    let folder = target.join("peers");
    let mut command = cargo();
    command.args(["build", "--release", "--manifest-path"]).arg(manifest("peers"));
    command.arg("--target-dir").arg(&folder);
    if all {
        command.args(["--features", "all"]);
    }
    eprintln!("building the peers: {command:?}");
    let status = command.stdin(Stdio::null()).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("cargo ended with {status}")));
    }
    Ok(folder.join("release").join(format!("mainspring-peers{}", env::consts::EXE_SUFFIX)))
}
