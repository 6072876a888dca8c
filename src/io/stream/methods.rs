//! What users call on a stream or on a half of one, declared once: the types differ, the operations do not.
//!
//! `TcpStream` alone spells its own out, with an example each, as the place where the others send the reader.

/// What can be read: declares the operations on a type that has `whole()`, which gives the stream itself.
macro_rules! reading {
    ($stream:ty) => {
        /// Reads what is there, at least one byte; 0 means that the stream has ended, or that `buf` is empty.
        ///
        /// # Cancellation
        /// **Strict.** Data is taken only by the poll that returns it.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> $crate::io::stream::Read<'a, $stream> {
            $crate::io::stream::Read::new(self.whole(), buf, std::panic::Location::caller())
        }

        /// Fills the buffer, and returns its length.
        ///
        /// # Cancellation
        /// **Lossy.** How much was read before is lost.
        ///
        /// # Errors
        /// `UnexpectedEof` if the stream ends before; otherwise as [`read`](Self::read).
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> $crate::io::stream::ReadExact<'a, $stream> {
            $crate::io::stream::ReadExact::new(self.whole(), buf, std::panic::Location::caller())
        }

        /// Appends all there is until the end of the stream, and says how much it was.
        ///
        /// # Cancellation
        /// **Strict.** What was read is in the vector, and a new call goes on from there.
        ///
        /// # Errors
        /// As [`read`](Self::read); what was read before is in the vector.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read_to_end<'a>(&'a self, into: &'a mut Vec<u8>) -> $crate::io::stream::ReadToEnd<'a, $stream> {
            $crate::io::stream::ReadToEnd::new(self.whole(), into, std::panic::Location::caller())
        }

        /// As [`read`](Self::read), into several buffers, one after the other.
        ///
        /// # Cancellation
        /// **Strict.** Data is taken only by the poll that returns it.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read_vectored<'a, 'b>(&'a self, bufs: &'a mut [std::io::IoSliceMut<'b>]) -> $crate::io::stream::ReadVectored<'a, 'b, $stream> {
            $crate::io::stream::ReadVectored::new(self.whole(), bufs, std::panic::Location::caller())
        }

        /// Waits until a read may succeed. It may be wrong, so what follows is [`try_read`](Self::try_read) in a loop.
        ///
        /// # Cancellation
        /// **Strict.** It only looks.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn readable(&self) -> $crate::io::Readable<'_> {
            $crate::io::ready::Readable::new($crate::io::stream::Reads::reading(self.whole()), std::panic::Location::caller())
        }

        /// Reads what is there, without waiting. It needs no runtime.
        ///
        /// # Errors
        /// `WouldBlock` if there is nothing; otherwise as [`read`](Self::read).
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            if buf.is_empty() {
                return Ok(0);
            }
            let attempt = |seen| self.whole().recv(buf, seen);
            self.whole().reading().attempt($crate::driver::source::Direction::Read, attempt)
        }

        /// As [`try_read`](Self::try_read), into several buffers.
        ///
        /// # Errors
        /// As [`try_read`](Self::try_read).
        pub fn try_read_vectored(&self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
            if bufs.iter().all(|buf| buf.is_empty()) {
                return Ok(0);
            }
            let attempt = |seen| self.whole().recv_vectored(bufs, seen);
            self.whole().reading().attempt($crate::driver::source::Direction::Read, attempt)
        }

        /// As [`read`](Self::read), for futures written by hand. All calls share one place among the waiters: only the
        /// task that called last is woken.
        ///
        /// # Errors
        /// As [`read`](Self::read).
        ///
        /// # Panics
        /// If it has to wait and there is no runtime.
        #[track_caller]
        pub fn poll_read(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            $crate::io::stream::Reads::poll_recv(self.whole(), cx, buf)
        }

        /// As [`readable`](Self::readable), in the place of [`poll_read`](Self::poll_read).
        ///
        /// # Errors
        /// As [`readable`](Self::readable).
        ///
        /// # Panics
        /// If it has to wait and there is no runtime.
        #[track_caller]
        pub fn poll_read_ready(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            let purpose = $crate::driver::source::Purpose::here($crate::task::wait::WaitKind::Readable);
            $crate::io::stream::Reads::reading(self.whole()).poll_ready(purpose, cx)
        }
    };
}

/// What can be written: as `reading`.
macro_rules! writing {
    ($stream:ty) => {
        /// Writes as much as there is room for, at least one byte unless `buf` is empty.
        ///
        /// # Cancellation
        /// **Strict.** Data is given away only by the poll that says so.
        ///
        /// # Errors
        /// `BrokenPipe` or `ConnectionReset` if the peer has gone, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write<'a>(&'a self, buf: &'a [u8]) -> $crate::io::stream::Write<'a, $stream> {
            $crate::io::stream::Write::new(self.whole(), buf, std::panic::Location::caller())
        }

        /// Writes all of it.
        ///
        /// # Cancellation
        /// **Lossy.** A part may have been written, and nobody says how much.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> $crate::io::stream::WriteAll<'a, $stream> {
            $crate::io::stream::WriteAll::new(self.whole(), buf, std::panic::Location::caller())
        }

        /// As [`write`](Self::write), from several buffers, one after the other.
        ///
        /// # Cancellation
        /// **Strict.** Data is given away only by the poll that says so.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write_vectored<'a, 'b>(&'a self, bufs: &'a [std::io::IoSlice<'b>]) -> $crate::io::stream::WriteVectored<'a, 'b, $stream> {
            $crate::io::stream::WriteVectored::new(self.whole(), bufs, std::panic::Location::caller())
        }

        /// Waits until a write may succeed. It may be wrong, so what follows is [`try_write`](Self::try_write) in a loop.
        ///
        /// # Cancellation
        /// **Strict.** It only looks.
        ///
        /// # Errors
        /// What the system says, and after the end of the runtime that it was used in.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn writable(&self) -> $crate::io::Writable<'_> {
            $crate::io::ready::Writable::new($crate::io::stream::Writes::writing(self.whole()), std::panic::Location::caller())
        }

        /// Writes what there is room for, without waiting. It needs no runtime.
        ///
        /// # Errors
        /// `WouldBlock` if there is no room; otherwise as [`write`](Self::write).
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            let attempt = |seen| self.whole().send(buf, seen);
            self.whole().writing().attempt($crate::driver::source::Direction::Write, attempt)
        }

        /// As [`try_write`](Self::try_write), from several buffers.
        ///
        /// # Errors
        /// As [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            let attempt = |seen| self.whole().send_vectored(bufs, seen);
            self.whole().writing().attempt($crate::driver::source::Direction::Write, attempt)
        }

        /// As [`write`](Self::write), for futures written by hand. All calls share one place among the waiters: only the
        /// task that called last is woken.
        ///
        /// # Errors
        /// As [`write`](Self::write).
        ///
        /// # Panics
        /// If it has to wait and there is no runtime.
        #[track_caller]
        pub fn poll_write(
            &self,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            $crate::io::stream::Writes::poll_send(self.whole(), cx, buf)
        }

        /// As [`writable`](Self::writable), in the place of [`poll_write`](Self::poll_write).
        ///
        /// # Errors
        /// As [`writable`](Self::writable).
        ///
        /// # Panics
        /// If it has to wait and there is no runtime.
        #[track_caller]
        pub fn poll_write_ready(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            let purpose = $crate::driver::source::Purpose::here($crate::task::wait::WaitKind::Writable);
            $crate::io::stream::Writes::writing(self.whole()).poll_ready(purpose, cx)
        }
    };
}

pub(crate) use {reading, writing};
