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
    let listen = listen.map_or("not yet".to_owned(), |address| address.to_string());
    writeln!(
        screen.out,
        "Version: {version}\nProcess: {pid}\nListens: {listen}\nTools:   {n_tools}"
    )?;
    Ok(())
}
