//! `user list`.

use serde_json::json;

use super::error::CliError;
use super::reach::{Place, Reach};
use super::screen::{self, Format, Screen};

/// Prints all users, the oldest first, with the number of their tokens.
pub async fn list(place: &Place, format: Format, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let mut reach = Reach::existing(place, screen.notes).await?;
    let mut users = reach.users().await?;
    users.sort_by_key(|user| (user.created_at, user.id));
    let tokens = reach.tokens().await?;
    let n_tokens = |id| tokens.iter().filter(|token| token.user == id).count();
    match format {
        Format::Json => {
            let users = users.iter().map(|user| {
                json!({
                    "id": user.id,
                    "description": user.description,
                    "created_at": user.created_at.to_string(),
                    "tokens": n_tokens(user.id),
                })
            });
            writeln!(screen.out, "{:#}", users.collect::<serde_json::Value>())?;
        }
        Format::Table => {
            let rows: Vec<_> = users
                .iter()
                .map(|user| {
                    let (id, created) = (user.id.to_string(), user.created_at.to_string());
                    [id, user.description.to_string(), created, n_tokens(user.id).to_string()]
                })
                .collect();
            screen::table(screen.out, ["USER", "DESCRIPTION", "CREATED", "TOKENS"], &rows)?;
        }
    }
    Ok(())
}
