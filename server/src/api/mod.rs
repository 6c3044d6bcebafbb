//! API tools: an endpoint and checked arguments become one HTTP request, its answer becomes an
//! outcome. Whatever is said of it, the credential is in none of it.

pub mod client;
pub mod redact;
pub mod request;
pub mod response;
pub mod tls;

use crate::call::args::ValidArgs;
use crate::model::endpoint::Endpoint;
use crate::model::outcome::Outcome;

/// Calls one endpoint within its time. Dropping the future drops the request.
pub async fn call(client: &client::Client, endpoint: &Endpoint, args: &ValidArgs) -> Outcome {
    let request = match request::Request::build(endpoint, args) {
        Ok(request) => request,
        Err(error) => return Outcome::failure(error.to_string()),
    };
    match client.send(request, endpoint.timeout).await {
        Ok(answer) => response::outcome(endpoint, &answer),
        Err(error) => response::unanswered(endpoint, &error),
    }
}

#[cfg(test)]
pub(crate) mod tests;
