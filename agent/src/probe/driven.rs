//! A connection that moves on while its answer is awaited: no task of its own.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

pub(super) struct Driven<'a, C> {
    connection: Pin<&'a mut C>,
    done: bool,
}

impl<'a, C: Future + Unpin> Driven<'a, C> {
    pub(super) fn new(connection: &'a mut C) -> Self {
        Self::pinned(Pin::new(connection))
    }
}

impl<'a, C: Future> Driven<'a, C> {
    pub(super) fn pinned(connection: Pin<&'a mut C>) -> Self {
        Self { connection, done: false }
    }

    pub(super) async fn drive<F: Future>(&mut self, answer: F) -> F::Output {
        let mut answer = pin!(answer);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(out) = answer.as_mut().poll(cx) {
                return Poll::Ready(out);
            }
            if !self.done {
                // how the connection ended, the answer tells as well
                self.done = self.connection.as_mut().poll(cx).is_ready();
            }
            answer.as_mut().poll(cx)
        })
        .await
    }
}
