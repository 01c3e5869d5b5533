//! A stream that gives up on a client that does not read: hyper bounds the time of a head, but not
//! that of an answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A stream that says goodbye, whatever ends it.
pub(super) trait Farewell {
    /// Says it without waiting.
    fn farewell(&mut self);
}

impl Farewell for TcpStream {
    fn farewell(&mut self) {
        // The system says it when the socket is closed.
    }
}

/// Fails once a write has made no progress for so long; what TLS holds back is written by a flush.
pub(super) struct Impatient<S: Farewell> {
    stream: S,
    within: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: Farewell> Impatient<S> {
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Self { stream, within, waiting: None }
    }

    fn judged<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(self.within)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Farewell> Drop for Impatient<S> {
    fn drop(&mut self) {
        self.stream.farewell();
    }
}

impl<S: AsyncRead + Farewell + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Farewell + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judged(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judged(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judged(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judged(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, time::timeout};

    use super::*;

    /// Takes what is written and gets rid of none of it, as TLS does over a full socket.
    struct Stuck;

    impl Farewell for Stuck {
        fn farewell(&mut self) {}
    }

    impl AsyncWrite for Stuck {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    /// Only writes had their time: what TLS had taken and could not send held a connection for ever.
    #[tokio::test]
    async fn a_flush_and_an_end_have_their_time_too() {
        let mut stream = Impatient::new(Stuck, Duration::from_millis(10));
        stream.write_all(b"an answer").await.unwrap();
        let patience = Duration::from_secs(20);
        let flushed = timeout(patience, stream.flush()).await.expect("it gives up");
        assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let shut = timeout(patience, stream.shutdown()).await.expect("it gives up");
        assert_eq!(shut.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
