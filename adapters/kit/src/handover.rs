//! From a thread that reads files to the flow, which takes records when it can.
//!
//! Reading a file blocks; the bounded channel makes the reading thread wait for the flow, never the
//! runtime.

use contract::{AdapterError, ErrorKind, RawSink, Received};

/// Nobody takes what is read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl From<Closed> for AdapterError {
    fn from(_: Closed) -> Self {
        Self::new(ErrorKind::Local, "hand over records that nobody takes any more")
    }
}

/// Takes one thing that was read, until nobody does.
pub type Give<'g> = dyn FnMut(Received) -> Result<(), Closed> + 'g;

/// Runs blocking work that hands over what it reads, and waits for its end.
pub async fn hand_over(
    sink: RawSink,
    work: impl FnOnce(&mut Give<'_>) -> Result<(), AdapterError> + Send + 'static,
) -> Result<(), AdapterError> {
    let reading =
        tokio::task::spawn_blocking(move || work(&mut |received| sink.blocking_send(received).map_err(|_| Closed)));
    reading.await.map_err(|error| AdapterError::new(ErrorKind::Local, "read documents").caused_by(error))?
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_is_given_arrives_in_order_through_a_narrow_channel() {
        let (sink, mut received) = mpsc::channel(1);
        let work = tokio::spawn(hand_over(sink, |give| {
            for number in 0..20 {
                give(Received::Cursor(number.to_string()))?;
            }
            Ok(())
        }));
        for number in 0..20 {
            assert_eq!(received.recv().await, Some(Received::Cursor(number.to_string())));
        }
        assert_eq!(received.recv().await, None);
        work.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_nobody_hears_stops() {
        let (sink, received) = mpsc::channel(1);
        drop(received);
        let error = hand_over(sink, |give| Ok(give(Received::End)?)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Local);
    }

    #[tokio::test]
    async fn a_reader_that_panics_is_an_error_and_not_a_silence() {
        let (sink, _received) = mpsc::channel(1);
        let error = hand_over(sink, |_| panic!("planted")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Local);
    }
}
