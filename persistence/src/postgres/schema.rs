//! The schema of a database: brought up to date, or left alone when a later release made it and says that this one may go on.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::StoreError;

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/postgres");
    // Those of a later release were judged before: see `check_later`.
    migrations.set_ignore_missing(true);
    migrations
});

/// A migration that this release does not know.
#[derive(Debug, sqlx::FromRow)]
struct Later {
    migration: i64,
    compatible_from: Option<i64>,
    release: Option<String>,
}

/// Applies what is missing. A database with migrations of a later release is used as it is, if each of them says that this
/// release may.
pub(crate) async fn bring_up_to_date(connection: &mut PgConnection) -> Result<(), StoreError> {
    let newest = MIGRATIONS.iter().map(|known| known.version).max().unwrap_or(0);
    check_later(connection, newest).await?;
    // Nodes that start together take turns: sqlx holds an advisory lock while it looks and while it changes things.
    Ok(MIGRATIONS.run(connection).await?)
}

async fn check_later(connection: &mut PgConnection, newest: i64) -> Result<(), StoreError> {
    let [applied, compatibility]: [bool; 2] = {
        let found: (bool, bool) = sqlx::query_as(
            "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, to_regclass('compatibility') IS NOT NULL",
        )
        .fetch_one(&mut *connection)
        .await?;
        [found.0, found.1]
    };
    if !applied {
        return Ok(());
    }
    let said = if compatibility {
        "SELECT version AS migration, compatible_from, release FROM _sqlx_migrations \
         LEFT JOIN compatibility ON migration = version WHERE version > $1 ORDER BY version"
    } else {
        "SELECT version AS migration, NULL::bigint AS compatible_from, NULL::text AS release FROM _sqlx_migrations \
         WHERE version > $1 ORDER BY version"
    };
    let later: Vec<Later> = sqlx::query_as(said).bind(newest).fetch_all(connection).await?;
    for each in &later {
        judge(each, newest)?;
    }
    if let Some(last) = later.last() {
        tracing::warn!(
            known = newest,
            found = last.migration,
            "a later release has changed the schema in ways that this one can live with; upgrade this node soon"
        );
    }
    Ok(())
}

/// Whether a release whose newest migration is this one may work with what a later one left.
fn judge(later: &Later, newest: i64) -> Result<(), StoreError> {
    let migration = later.migration;
    if later.compatible_from.is_some_and(|from| from <= newest) {
        return Ok(());
    }
    let release = later.release.as_deref().map_or_else(
        || "a newer version of Roomtone".to_owned(),
        |release| format!("Roomtone {release}"),
    );
    Err(StoreError::Schema(format!(
        "{release} made its migration {migration}, after which this version, which knows migrations up to {newest}, cannot work \
         with it. Start that version or a newer one here; to go back to this one, restore a backup from before that upgrade"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_migration_says_who_may_go_on() {
        let later = |compatible_from| Later {
            migration: 12,
            compatible_from,
            release: Some("0.4".into()),
        };
        assert!(judge(&later(Some(9)), 10).is_ok());
        assert!(judge(&later(Some(10)), 10).is_ok());
        for breaking in [Some(11), Some(12), None] {
            let text = judge(&later(breaking), 10).unwrap_err().to_string();
            assert!(text.contains("Roomtone 0.4") && text.contains("12"), "{text}");
        }
    }
}
