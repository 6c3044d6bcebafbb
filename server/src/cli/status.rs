//! `status`.

use super::error::{CliError, not_wanted};
use super::reach::Place;
use super::screen::Screen;
use crate::admin::client::Client;
use crate::admin::protocol::{Reply, Request, Status};

/// Prints how the running server does.
pub async fn show(place: &Place, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let Some(mut client) = Client::connect(&place.dir).await? else {
        return Err(CliError::NotRunning { dir: place.dir.clone() });
    };
    let reply = client.ask(&Request::Status).await?;
    let Reply::Status(Status { version, pid, listen, n_tools }) = reply else {
        return Err(not_wanted(reply));
    };
    let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
    let listen = if listen.is_empty() { "not yet".to_owned() } else { listen.join(", ") };
    writeln!(
        screen.out,
        "Version: {version}\nProcess: {pid}\nListens: {listen}\nTools:   {n_tools}"
    )?;
    Ok(())
}
