//! FSX-01: whatever is done to a file, std does the same to another one, and neither the results nor the bytes differ.

use super::kit::{Folder, everywhere};
use mainspring::fs::OpenOptions;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    ReadTwo(usize, usize),
    ReadExact(usize),
    ReadToEnd,
    ReadAt(usize, u64),
    Write(Vec<u8>),
    WriteTwo(Vec<u8>, Vec<u8>),
    WriteAt(Vec<u8>, u64),
    Seek(SeekFrom),
    SetLen(u64),
    Len,
    Sync,
    Clone,
    Reopen { append: bool },
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (any::<u8>(), 60_000_usize..90_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![4 => 0_usize..400, 1 => 0_usize..100_000];
    let seek = prop_oneof![
        (0_u64..2_000).prop_map(SeekFrom::Start),
        (-500_i64..500).prop_map(SeekFrom::Current),
        (-500_i64..100).prop_map(SeekFrom::End),
    ];
    prop_oneof![
        len().prop_map(Step::Read),
        (len(), len()).prop_map(|(one, two)| Step::ReadTwo(one, two)),
        len().prop_map(Step::ReadExact),
        Just(Step::ReadToEnd),
        (len(), 0_u64..3_000).prop_map(|(len, at)| Step::ReadAt(len, at)),
        data().prop_map(Step::Write),
        (data(), data()).prop_map(|(one, two)| Step::WriteTwo(one, two)),
        (data(), 0_u64..3_000).prop_map(|(data, at)| Step::WriteAt(data, at)),
        seek.prop_map(Step::Seek),
        (0_u64..3_000).prop_map(Step::SetLen),
        Just(Step::Len),
        Just(Step::Sync),
        Just(Step::Clone),
        any::<bool>().prop_map(|append| Step::Reopen { append }),
    ]
}

/// What a step has given: a number, bytes, or the kind of its error.
type Given = Result<(u64, Vec<u8>), std::io::ErrorKind>;

fn by_std(file: &mut std::fs::File, step: &Step) -> std::io::Result<(u64, Vec<u8>)> {
    let read = |buf: Vec<u8>, count: usize| (count as u64, buf[..count].to_vec());
    Ok(match step {
        Step::Read(len) => {
            let mut buf = vec![0; *len];
            let count = file.read(&mut buf)?;
            read(buf, count)
        }
        Step::ReadTwo(one, two) => {
            let mut buf = vec![0; one + two];
            let (left, right) = buf.split_at_mut(*one);
            let count = file.read_vectored(&mut [IoSliceMut::new(left), IoSliceMut::new(right)])?;
            read(buf, count)
        }
        Step::ReadExact(len) => {
            let mut buf = vec![0; *len];
            file.read_exact(&mut buf)?;
            read(buf, *len)
        }
        Step::ReadToEnd => {
            let mut buf = vec![1, 2, 3];
            let count = file.read_to_end(&mut buf)?;
            (count as u64, buf)
        }
        Step::ReadAt(len, at) => {
            let mut buf = vec![0; *len];
            let count = file.read_at(&mut buf, *at)?;
            read(buf, count)
        }
        Step::Write(data) => (file.write_all(data).map(|()| 0)?, Vec::new()),
        Step::WriteTwo(one, two) => (file.write_vectored(&[IoSlice::new(one), IoSlice::new(two)])? as u64, Vec::new()),
        Step::WriteAt(data, at) => (file.write_all_at(data, *at).map(|()| 0)?, Vec::new()),
        Step::Seek(to) => (file.seek(*to)?, Vec::new()),
        Step::SetLen(len) => (file.set_len(*len).map(|()| 0)?, Vec::new()),
        Step::Len => (file.metadata()?.len(), Vec::new()),
        Step::Sync => (file.sync_data().map(|()| 0)?, Vec::new()),
        Step::Clone | Step::Reopen { .. } => (0, Vec::new()),
    })
}

async fn by_us(file: &mainspring::fs::File, step: &Step) -> std::io::Result<(u64, Vec<u8>)> {
    let read = |buf: Vec<u8>, count: usize| (count as u64, buf[..count].to_vec());
    Ok(match step {
        Step::Read(len) => {
            let mut buf = vec![0; *len];
            let count = file.read(&mut buf).await?;
            read(buf, count)
        }
        Step::ReadTwo(one, two) => {
            let mut buf = vec![0; one + two];
            let (left, right) = buf.split_at_mut(*one);
            let count = file.read_vectored(&mut [IoSliceMut::new(left), IoSliceMut::new(right)]).await?;
            read(buf, count)
        }
        Step::ReadExact(len) => {
            let mut buf = vec![0; *len];
            file.read_exact(&mut buf).await?;
            read(buf, *len)
        }
        Step::ReadToEnd => {
            let mut buf = vec![1, 2, 3];
            let count = file.read_to_end(&mut buf).await?;
            (count as u64, buf)
        }
        Step::ReadAt(len, at) => {
            let mut buf = vec![0; *len];
            let count = file.read_at(&mut buf, *at).await?;
            read(buf, count)
        }
        Step::Write(data) => (file.write_all(data).await.map(|()| 0)?, Vec::new()),
        Step::WriteTwo(one, two) => {
            (file.write_vectored(&[IoSlice::new(one), IoSlice::new(two)]).await? as u64, Vec::new())
        }
        Step::WriteAt(data, at) => (file.write_all_at(data, *at).await.map(|()| 0)?, Vec::new()),
        Step::Seek(to) => (file.seek(*to).await?, Vec::new()),
        Step::SetLen(len) => (file.set_len(*len).await.map(|()| 0)?, Vec::new()),
        Step::Len => (file.metadata().await?.len(), Vec::new()),
        Step::Sync => (file.sync_data().await.map(|()| 0)?, Vec::new()),
        Step::Clone | Step::Reopen { .. } => (0, Vec::new()),
    })
}

async fn live(steps: &[Step], inline: bool) {
    let folder = Folder::new();
    let (ours, theirs) = (folder.with("ours", "seed"), folder.with("theirs", "seed"));
    let mut std_options = std::fs::OpenOptions::new();
    let mut options = OpenOptions::new();
    let mut theirs_open = std_options.read(true).write(true).open(&theirs).unwrap();
    let mut ours_open = options.read(true).write(true).inline(inline).open(&ours).await.unwrap();
    for step in steps {
        match step {
            Step::Clone => {
                theirs_open = theirs_open.try_clone().unwrap();
                ours_open = ours_open.try_clone().unwrap();
            }
            Step::Reopen { append } => {
                theirs_open = std_options.append(*append).open(&theirs).unwrap();
                ours_open = options.append(*append).open(&ours).await.unwrap();
            }
            _ => {}
        }
        let wanted: Given = by_std(&mut theirs_open, step).map_err(|error| error.kind());
        let got: Given = by_us(&ours_open, step).await.map_err(|error| error.kind());
        assert!(got == wanted, "{step:?} gave {:?}, std {:?}", got.map(|x| x.0), wanted.map(|x| x.0));
        assert_eq!(
            ours_open.stream_position().await.unwrap(),
            theirs_open.stream_position().unwrap(),
            "after {step:?}"
        );
    }
    let mut std_again = ours_open.into_std().await.unwrap();
    assert_eq!(std_again.stream_position().unwrap(), theirs_open.stream_position().unwrap());
    assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap(), "the bytes differ");
}

#[test]
fn fsx_01_a_file_does_what_std_does() {
    let mut runner = TestRunner::new(ProptestConfig { cases: 16, failure_persistence: None, ..Default::default() });
    let steps = prop::collection::vec(step(), 1..25);
    let outcome = runner.run(&steps, |steps| {
        everywhere(|inline| live(&steps, inline));
        Ok(())
    });
    if let Err(found) = outcome {
        panic!("{found}");
    }
}
