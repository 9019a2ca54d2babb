//! Says that the service is ready while its database is.
//!
//! A database that restarts is no reason to take every replica out at once: the service turns unready when it has not seen
//! its database for five seconds. Calls are refused from the first moment all the same.

use std::time::Duration;

use store::Health as Database;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long after its database was last seen a service is still ready.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// Keeps `health` of the service called `name` in step with its database, until that is closed. Whoever starts the
/// service says first that it is not ready.
pub async fn follow(health: mesh::Health, name: &'static str, mut database: watch::Receiver<Database>) {
    loop {
        if database.wait_for(Database::is_available).await.is_err() {
            break;
        }
        health.set(name, true);
        if database.wait_for(|database| !database.is_available()).await.is_err() {
            break;
        }
        match timeout(SEEN_WITHIN, database.wait_for(Database::is_available)).await {
            Ok(Ok(_seen)) => {}
            Ok(Err(_closed)) => break,
            Err(_elapsed) => health.set(name, false),
        }
    }
    health.set(name, false);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;

    fn away() -> Database {
        Database::Away(Arc::new(std::io::Error::other("connection refused")))
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_ready_from_the_first_sight_of_its_database_until_five_seconds_after_the_last() {
        let (database, follow_it) = watch::channel(Database::Starting);
        let health = mesh::Health::default();
        health.set("a.A", false);
        tokio::spawn(follow(health.clone(), "a.A", follow_it));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(health.get("a.A"), Some(false));
        database.send_replace(Database::Available);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(health.get("a.A"), Some(true));
        database.send_replace(away());
        sleep(Duration::from_millis(4_900)).await;
        assert_eq!(health.get("a.A"), Some(true));
        sleep(Duration::from_millis(200)).await;
        assert_eq!(health.get("a.A"), Some(false));
        database.send_replace(Database::Available);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(health.get("a.A"), Some(true));
        drop(database);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(health.get("a.A"), Some(false));
    }
}
