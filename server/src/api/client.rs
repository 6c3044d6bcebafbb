//! The one HTTP client of the server, and the only place that names reqwest: no proxy, no redirect,
//! its own certificate authorities, every wait and every body bounded.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};

use super::request::Request;
use super::tls;
use crate::limits;

/// Idle connections that are kept for one host.
const IDLE_PER_HOST: usize = 4;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Sends requests.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS library refuses its own defaults.
    #[error("cannot set up TLS for API calls")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refuses the settings.
    #[error("cannot make the HTTP client for API calls")]
    Http(#[source] Box<dyn StdError + Send + Sync>),
}

/// What an upstream answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Location`, where it redirects to.
    pub location: Option<String>,
    /// `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// The body after decompression, the first [`limits::UPSTREAM_BODY`] bytes.
    pub body: Vec<u8>,
    /// Whether the body is whole.
    pub complete: bool,
}

/// There was no answer. No text has the URL in it.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection broke, or the answer is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<dyn StdError + Send + Sync>),
    /// No connection, for another reason than those below.
    #[error("cannot connect to it")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// Its name has no address.
    #[error("its host name cannot be resolved; check the base URL in the config and the DNS")]
    Dns(#[source] Box<dyn StdError + Send + Sync>),
    /// Nobody listens there.
    #[error("its host refuses the connection; nothing listens on that port")]
    Refused(#[source] Box<dyn StdError + Send + Sync>),
    /// No trust, or not TLS at all.
    #[error("no TLS connection to it can be made; check its certificate and its port")]
    Tls(#[source] Box<dyn StdError + Send + Sync>),
    /// The time is over.
    #[error("it did not answer within {}", seconds(*.0))]
    Timeout(Duration),
}

impl Client {
    /// Makes the client. A host without certificate authorities gets Mozilla's.
    pub fn new() -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(tls::roots()).map_err(ClientError::Tls)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(limits::API_CONNECT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|e| ClientError::Http(e.into()))?;
        Ok(Self { http })
    }

    /// Sends `request` and reads the answer, all within `deadline`.
    pub async fn send(&self, request: Request, deadline: Duration) -> Result<Answer, SendError> {
        let exchange = tokio::time::timeout(deadline, self.exchange(request)).await;
        match exchange {
            Ok(answer) => answer.map_err(sorted),
            Err(_elapsed) => Err(SendError::Timeout(deadline)),
        }
    }

    async fn exchange(&self, request: Request) -> Result<Answer, reqwest::Error> {
        let mut builder = self.http.request(request.method, request.url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await?;
        let text = |headers: &HeaderMap, name: HeaderName| {
            Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
        };
        let mut answer = Answer {
            status: response.status(),
            location: text(response.headers(), LOCATION),
            retry_after: text(response.headers(), RETRY_AFTER),
            body: Vec::new(),
            complete: true,
        };
        while let Some(chunk) = response.chunk().await? {
            let room = limits::UPSTREAM_BODY - answer.body.len();
            match chunk.get(..room) {
                Some(fits) if chunk.len() > room => {
                    answer.body.extend_from_slice(fits);
                    answer.complete = false;
                    break;
                }
                _ => answer.body.extend_from_slice(&chunk),
            }
        }
        Ok(answer)
    }
}

fn sorted(error: reqwest::Error) -> SendError {
    // The URL has the query in it, and that may have a credential.
    let error = error.without_url();
    let refused = is_refused(&error);
    let tls = caused_by(&error, <dyn StdError>::is::<rustls::Error>);
    let (timeout, dns, connect) = (error.is_timeout(), error.is_dns(), error.is_connect());
    let error = Box::new(error);
    match () {
        () if tls => SendError::Tls(error),
        () if dns => SendError::Dns(error),
        () if refused => SendError::Refused(error),
        () if timeout => SendError::Timeout(limits::API_CONNECT),
        () if connect => SendError::Connect(error),
        () => SendError::Broken(error),
    }
}

/// Whether nobody listened.
pub fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    caused_by(error, |e| {
        e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
    })
}

fn caused_by(
    error: &(dyn StdError + 'static),
    is: impl Fn(&(dyn StdError + 'static)) -> bool + Copy,
) -> bool {
    // What an io::Error wraps is not its source: its source is the source of that.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    is(error)
        || match wrapped {
            Some(inner) => caused_by(inner, is),
            None => error.source().is_some_and(|source| caused_by(source, is)),
        }
}

fn seconds(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if ms % 1_000 != 0 => format!("{ms} ms"),
        _ => format!("{} s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_on_any_host() {
        assert!(Client::new().is_ok());
    }

    #[test]
    fn a_duration_reads_as_people_say_it() {
        assert_eq!(seconds(Duration::from_millis(50)), "50 ms");
        assert_eq!(seconds(Duration::from_secs(61)), "61 s");
    }
}
