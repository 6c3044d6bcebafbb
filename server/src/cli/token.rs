//! `token add`, `token list` and `token revoke`.

use std::io::{BufRead, Read as _};

use serde_json::json;

use super::error::CliError;
use super::reach::{Place, Reach};
use super::screen::{self, Format, Screen};
use crate::admin::protocol::Request;
use crate::auth::token::Token as Bearer;
use crate::clock::{Clock, Lifetime, Timestamp};
use crate::model::caller::UserId;
use crate::model::description::Description;
use crate::model::prefix::HashPrefix;
use crate::store::tokens::{self, NewToken, Owner, Token};

/// What `token add` is told.
#[derive(Debug, Clone)]
pub struct Add {
    /// Whose token; `None` adds a user.
    pub user: Option<UserId>,
    /// For people.
    pub description: Description,
    /// How long it is valid; `None` is for ever.
    pub lifetime: Option<Lifetime>,
}

/// Whether `token revoke` asks first.
pub enum Consent<'a> {
    /// It asks, and reads the answer here.
    Ask(&'a mut dyn BufRead),
    /// It was given beforehand: `--yes`.
    Given,
}

impl std::fmt::Debug for Consent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ask(_) => "Ask",
            Self::Given => "Given",
        })
    }
}

/// Adds a token and prints it, this once. It is made here; the server learns its hash only.
pub async fn add(place: &Place, add: Add, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let Add { user, description, lifetime } = add;
    let bearer = Bearer::generate()?;
    let owner = match user {
        Some(user) => Owner::Existing(user),
        None => Owner::New(UserId::generate()?),
    };
    let new = NewToken { hash: bearer.hash(), owner, description, lifetime };
    let mut reach = Reach::find(place, screen.notes).await?;
    let token = reach.ask_for_token(Request::TokenAdd(new)).await?;
    let Token { hash, user, expires_at, .. } = token;
    let expires = expires_at.map_or("never".to_owned(), |at| at.to_string());
    let shown = write!(
        screen.out,
        "Token:   {}\nHash:    {}\nUser:    {user}\nExpires: {expires}\n",
        bearer.expose(),
        hash.short(),
    );
    shown.and_then(|()| screen.out.flush()).map_err(|source| CliError::Unshown { hash, source })?;
    writeln!(screen.notes, "The token is not kept and cannot be shown again.")?;
    Ok(())
}

/// Prints all tokens, the oldest first.
pub async fn list(place: &Place, format: Format, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let mut tokens = Reach::existing(place, screen.notes).await?.tokens().await?;
    tokens.sort_by_key(|token| (token.created_at, token.hash));
    match format {
        Format::Json => {
            let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
            let tokens = tokens.iter().map(|token| {
                json!({
                    "hash": token.hash,
                    "user": token.user,
                    "description": token.description,
                    "created_at": token.created_at.to_string(),
                    "last_used_at": text(token.last_used_at),
                    "expires_at": text(token.expires_at),
                })
            });
            writeln!(screen.out, "{:#}", tokens.collect::<serde_json::Value>())?;
        }
        Format::Table => {
            let rows: Vec<_> = tokens.iter().map(|token| row(token, &place.clock)).collect();
            let head = ["HASH", "USER", "DESCRIPTION", "CREATED", "LAST USED", "EXPIRES"];
            screen::table(screen.out, head, &rows)?;
            if rows.is_empty() {
                writeln!(screen.notes, "There are no tokens; `token add` makes one.")?;
            }
        }
    }
    Ok(())
}

/// Revokes the one token that `prefix` names.
pub async fn revoke(
    place: &Place,
    prefix: HashPrefix,
    consent: Consent<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), CliError> {
    let mut reach = Reach::existing(place, screen.notes).await?;
    let prefix = match consent {
        Consent::Given => prefix,
        Consent::Ask(answers) => {
            let tokens = reach.tokens().await?;
            let token = tokens::pick(&tokens, &prefix)?;
            write!(screen.notes, "Revoke token {}? [y/N] ", title(token))?;
            screen.notes.flush()?;
            let mut answer = String::new();
            answers.take(16).read_line(&mut answer)?;
            if !["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
                return Err(CliError::Declined);
            }
            token.hash.into()
        }
    };
    let token = reach.ask_for_token(Request::TokenRevoke(prefix)).await?;
    writeln!(screen.out, "Revoked token {}.", title(&token))?;
    Ok(())
}

fn title(token: &Token) -> String {
    let Token { hash, user, description, .. } = token;
    format!("{} \"{description}\" of user {user}", hash.short())
}

fn row(token: &Token, clock: &Clock) -> [String; 6] {
    let never = || "never".to_owned();
    [
        token.hash.short(),
        token.user.to_string(),
        token.description.to_string(),
        token.created_at.to_string(),
        token.last_used_at.map_or_else(never, |at| at.to_string()),
        token.expires_at.map_or_else(never, |at| {
            let is_over = at <= clock.now();
            format!("{at}{}", if is_over { " (over)" } else { "" })
        }),
    ]
}
