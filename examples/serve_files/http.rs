//! As much of HTTP/1.1 as a server of files needs: the head of a request, and the path and the range in it.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// A longer head is refused.
pub(crate) const HEAD_MAX: usize = 8 << 10;

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Nothing but the head is wanted.
    pub(crate) head_only: bool,
    /// Below the folder that is served: no `..` in it, nothing absolute.
    pub(crate) path: PathBuf,
    /// It ends in a slash, so it means a folder.
    pub(crate) is_folder: bool,
    /// The value of `Range`, if there is one.
    pub(crate) range: Option<String>,
    /// The connection is to stay.
    pub(crate) keep_alive: bool,
}

/// Why a request cannot be answered: the status, and whether what follows on the connection can still be understood.
pub(crate) type Refusal = (&'static str, bool);

impl Request {
    /// Reads a head, without its empty line.
    pub(crate) fn parse(head: &str) -> Result<Self, Refusal> {
        const BAD: Refusal = ("400 Bad Request", false);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(BAD);
        };
        let mut keep_alive = match version {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            _ => return Err(("505 HTTP Version Not Supported", false)),
        };
        let mut range = None;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(BAD)?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "connection" if value.eq_ignore_ascii_case("close") => keep_alive = false,
                "connection" if value.eq_ignore_ascii_case("keep-alive") => keep_alive = true,
                "range" => range = Some(value.to_owned()),
                // A body would be taken for the next request.
                "content-length" if value != "0" => return Err(("413 Content Too Large", false)),
                "transfer-encoding" => return Err(("413 Content Too Large", false)),
                _ => {}
            }
        }
        let head_only = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return Err(("405 Method Not Allowed", keep_alive)),
        };
        let target = target.split(['?', '#']).next().unwrap_or_default();
        let path = path_of(target).ok_or(("400 Bad Request", keep_alive))?;
        Ok(Self { head_only, path, is_folder: target.ends_with('/'), range, keep_alive })
    }
}

/// Undoes the percent signs first, so that an encoded `..` is one. None for what leads out of the folder, or nowhere.
fn path_of(target: &str) -> Option<PathBuf> {
    let mut bytes = target.strip_prefix('/')?.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
                u8::try_from(digits[0]? * 16 + digits[1]?).ok()?
            }
            byte => byte,
        });
    }
    let decoded = String::from_utf8(decoded).ok().filter(|path| !path.contains('\0'))?;
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let path = Path::new(&decoded);
    path.components().all(is_plain).then(|| path.to_owned())
}

/// What a `Range` means for a file of this length. `Ok(None)`: it is to be ignored, and the whole is sent. An error: no byte of
/// the file is in it.
pub(crate) fn range_of(value: &str, length: u64) -> Result<Option<Range<u64>>, ()> {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Ok(None), // several ranges, or nonsense
    };
    if range.is_empty() { Err(()) } else { Ok(Some(range)) }
}

/// By the end of the name.
pub(crate) fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "md" | "rs" | "toml" | "log" => "text/plain; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}
