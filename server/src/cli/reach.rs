//! The way to the store: through the server if one runs, else by opening it here.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{CliError, not_wanted};
use crate::admin::client::Client;
use crate::admin::desk::{Desk, Facts};
use crate::admin::protocol::{Reply, Request};
use crate::clock::Clock;
use crate::store::open::{LOOK_AGAIN, OpenError, Store};
use crate::store::state_dir;
use crate::store::tokens::Token;
use crate::store::users::User;

/// Which store, and how to wait for it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The state directory.
    pub dir: PathBuf,
    /// The time, for what is changed here.
    pub clock: Clock,
    /// How long to wait for a server that starts or stops (`limits::STORE_HELD`).
    pub patience: Duration,
}

/// The way that was found.
#[derive(Debug)]
pub enum Reach {
    /// No server runs; the store is open in this process.
    Direct(Desk),
    /// A server runs and answers.
    Running(Client),
}

impl Reach {
    /// Finds the way to a store that is there already.
    pub async fn existing(place: &Place, notes: &mut dyn Write) -> Result<Self, CliError> {
        if state_dir::holds_store(&place.dir) || Client::connect(&place.dir).await?.is_some() {
            return Self::find(place, notes).await;
        }
        Err(CliError::NoStore { dir: place.dir.clone() })
    }

    /// Finds the way, and makes a store where there is none. A server that is about to start holds
    /// the store before it answers; this waits for it and says so on `notes`.
    pub async fn find(place: &Place, notes: &mut dyn Write) -> Result<Self, CliError> {
        let deadline = Instant::now() + place.patience;
        let mut has_said = false;
        loop {
            if let Some(client) = Client::connect(&place.dir).await? {
                return Ok(Self::Running(client));
            }
            let is_there = state_dir::holds_store(&place.dir);
            match Store::open(&place.dir, place.clock.clone()) {
                Ok(store) => {
                    if !is_there {
                        writeln!(notes, "no store was in {}; made one", place.dir.display())?;
                    }
                    return Ok(Self::Direct(desk(store)));
                }
                Err(OpenError::Held { path }) if Instant::now() >= deadline => {
                    return Err(CliError::Held { path });
                }
                Err(OpenError::Held { .. }) => {}
                Err(error) => return Err(CliError::Open(error)),
            }
            if !has_said {
                writeln!(notes, "another process holds the store; waiting for it to answer")?;
                has_said = true;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Asks for one thing.
    pub async fn ask(&mut self, request: Request) -> Result<Reply, CliError> {
        match self {
            Self::Direct(desk) => Ok(desk.answer(request).await),
            Self::Running(client) => Ok(client.ask(&request).await?),
        }
    }

    /// Asks for something that is answered by one token.
    pub async fn ask_for_token(&mut self, request: Request) -> Result<Token, CliError> {
        let reply = self.ask(request).await?;
        let Reply::Token(token) = reply else {
            return Err(not_wanted(reply));
        };
        Ok(token)
    }

    /// All tokens, in the order of their hashes.
    pub async fn tokens(&mut self) -> Result<Vec<Token>, CliError> {
        let mut tokens: Vec<Token> = Vec::new();
        loop {
            let after = tokens.last().map(|token| token.hash);
            let reply = self.ask(Request::TokenList(after)).await?;
            let Reply::Tokens(page) = reply else {
                return Err(not_wanted(reply));
            };
            if page.is_empty() {
                return Ok(tokens);
            }
            tokens.extend(page);
        }
    }

    /// All users, in the order of their ids.
    pub async fn users(&mut self) -> Result<Vec<User>, CliError> {
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map(|user| user.id);
            let reply = self.ask(Request::UserList(after)).await?;
            let Reply::Users(page) = reply else {
                return Err(not_wanted(reply));
            };
            if page.is_empty() {
                return Ok(users);
            }
            users.extend(page);
        }
    }
}

fn desk(store: Store) -> Desk {
    Desk::new(Arc::new(store), || Facts { listen: Vec::new(), n_tools: 0 })
}
