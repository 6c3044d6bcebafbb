//! A bug is one failed request: a panic in one does not take down its connection, on which others
//! may be running. The panic hook has told the log by then.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Answers a request, or 500 where that panics. What panicked is dropped and never polled again.
pub async fn survive(request: Request, next: Next) -> Response {
    let mut answer = pin!(next.run(request));
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)))
            .unwrap_or_else(|_panic| Poll::Ready(Problem::Internal.into_response()))
    })
    .await
}
