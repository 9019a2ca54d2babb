//! The catalog's events that carts could not apply, for an operator's tools.

use ::store::inbox::Beside;
use ::store::{Effect, Error};
use tokio::runtime::Handle;

use crate::catalog;
use crate::store::{Products, SOURCE};

/// Opens them in the carts' database.
///
/// # Errors
/// If the address is wrong, or the database cannot be used as it is.
pub async fn dead_letters(database_url: &str, background: Handle) -> Result<Beside<impl Effect>, Error> {
    Beside::open(database_url, SOURCE, Products { read: catalog::read }, background).await
}
