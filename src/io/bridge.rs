//! The traits of futures-io for our own streams, whose operations take `&self`: for the type, and for a shared reference to it.
//!
//! A trait's poll has the place in line that all polls of a direction share, so through it one task reads and one writes at a time.

/// Implements `AsyncRead` for a type that has `whole()`, which gives what [`Reads`](super::stream::Reads).
macro_rules! async_read {
    ([$($generics:tt)*] $stream:ty) => {
        $crate::io::async_read!(@one [$($generics)*] $stream, $stream);
        $crate::io::async_read!(@one [$($generics)*] &$stream, $stream);
    };
    (@one [$($generics:tt)*] $given:ty, $stream:ty) => {
        impl<$($generics)*> futures_io::AsyncRead for $given {
            #[track_caller]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $crate::io::stream::Reads::poll_recv(<$stream>::whole(&self), cx, buf)
            }

            #[track_caller]
            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $crate::io::stream::Reads::poll_recv_vectored(<$stream>::whole(&self), cx, bufs)
            }
        }
    };
}

/// Implements `AsyncWrite` for a type that has `whole()`, which gives what [`Writes`](super::stream::Writes). Nothing is kept back, so
/// there is nothing to flush; `close` ends the direction where it can be ended without dropping anything.
macro_rules! async_write {
    ([$($generics:tt)*] $stream:ty) => {
        $crate::io::async_write!(@one [$($generics)*] $stream, $stream);
        $crate::io::async_write!(@one [$($generics)*] &$stream, $stream);
    };
    (@one [$($generics:tt)*] $given:ty, $stream:ty) => {
        impl<$($generics)*> futures_io::AsyncWrite for $given {
            #[track_caller]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $crate::io::stream::Writes::poll_send(<$stream>::whole(&self), cx, buf)
            }

            #[track_caller]
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $crate::io::stream::Writes::poll_send_vectored(<$stream>::whole(&self), cx, bufs)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready($crate::io::stream::Writes::close(<$stream>::whole(&self)))
            }
        }
    };
}

pub(crate) use {async_read, async_write};
