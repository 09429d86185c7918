//! A line with open files (`SCM_RIGHTS`, unix(7)).

use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::LONGEST;

/// As many files as the system takes in one message (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Sends `line`, which ends in a newline, with `files`.
///
/// # Errors
/// There are too many files, or the other side is gone.
pub(super) fn send(to: &UnixStream, line: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let rights = SendAncillaryMessage::ScmRights(files);
    let mut space = vec![MaybeUninit::uninit(); rights.size()];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if files.len() > MOST || !with.push(rights) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} files in one message", files.len())));
    }
    let sent = sendmsg(to, &[IoSlice::new(line)], &mut with, SendFlags::empty())?;
    (&mut &*to).write_all(&line[sent..])
}

/// Receives a line, without its newline, and the files that came with it. They are closed in programs that this one starts.
///
/// # Errors
/// Nothing came in time, the line has no end, or the other side is gone.
pub(super) fn receive(from: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut line, mut files) = (Vec::new(), Vec::new());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut some = [0; 4096];
    while line.last() != Some(&b'\n') {
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(from, &mut [IoSliceMut::new(&mut some)], &mut with, RecvFlags::CMSG_CLOEXEC)?;
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                files.extend(rights);
            }
        }
        if received.bytes == 0 || line.len() + received.bytes > LONGEST {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the line has no end"));
        }
        line.extend_from_slice(&some[..received.bytes]);
    }
    line.pop();
    Ok((line, files))
}
