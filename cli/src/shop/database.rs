//! The PostgreSQL server of a shop, with a database for each service.

use std::fmt;

use anyhow::ensure;

/// The URL of a PostgreSQL server, as it was given. It is never printed: it may hold a password.
#[derive(Clone)]
pub(crate) struct Server(String);

impl From<String> for Server {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// The URL of `service`'s own database.
    pub(crate) fn database_of(&self, service: &str) -> anyhow::Result<String> {
        let (server, parameters) = self.0.split_once('?').map_or((self.0.as_str(), None), |(s, p)| (s, Some(p)));
        let (scheme, host) = server.split_once("://").unwrap_or_default();
        let host = host.strip_suffix('/').unwrap_or(host);
        ensure!(
            matches!(scheme, "postgres" | "postgresql") && !host.contains('/'),
            "--database: name a server, postgres://USER:PASSWORD@HOST:PORT; each service has its own database there"
        );
        let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
        Ok(format!("{scheme}://{host}/souk_{service}{parameters}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_a_database_of_its_own_on_the_server() {
        let on = |url: &str| Server(url.to_owned()).database_of("catalog").unwrap();
        assert_eq!(on("postgres://u:p@db:5433"), "postgres://u:p@db:5433/souk_catalog");
        assert_eq!(on("postgres://db/"), "postgres://db/souk_catalog");
        assert_eq!(on("postgresql:///?host=/run/pg"), "postgresql:///souk_catalog?host=/run/pg");
    }

    #[test]
    fn a_server_that_is_none_is_refused_and_its_password_is_not_repeated() {
        for server in ["postgres://u:secret@db/mine", "mysql://u:secret@db", "secret"] {
            let server = Server(server.to_owned());
            let printed = format!("{server:?} {}", server.database_of("catalog").unwrap_err());
            assert!(printed.contains("--database: name a server") && !printed.contains("secret"), "{printed}");
        }
    }
}
