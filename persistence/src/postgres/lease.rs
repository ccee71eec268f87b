//! Rows of the table `leases`: the claim on a compaction.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::limits::{KNOWN_DOCS_MAX, LEASE_SECONDS};
use crate::rows::document::DocumentRow;
use crate::rows::sql::Tables;
use crate::{DocId, StoreError};

/// The claims that this run has made and not used yet.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<DocId, Token>>);

/// The fence: a claim that another run has taken over carries another number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token(i64);

impl Claims {
    pub(crate) fn keep(&self, doc: &DocId, token: Token) {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A claim that is not kept is made again when it is needed.
        if claims.len() >= KNOWN_DOCS_MAX {
            claims.clear();
        }
        claims.insert(doc.clone(), token);
    }

    pub(crate) fn take(&self, doc: &DocId) -> Option<Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(doc)
    }
}

/// [`claim`], by name. A document that nobody knows is nobody's: compacting it will be refused in any case.
pub(crate) async fn claim_document(
    connection: &mut PgConnection,
    run: Uuid,
    doc: &DocId,
) -> Result<Option<Token>, StoreError> {
    match connection.document(doc).await? {
        Some(row) => claim(connection, run, &row).await,
        None => Ok(None),
    }
}

/// Claims the compaction of a document, or renews the claim. `None` when another run has it.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    run: Uuid,
    doc: &DocumentRow,
) -> Result<Option<Token>, StoreError> {
    let token: Option<i64> = sqlx::query_scalar(
        "INSERT INTO leases (document_id, run, token, ends_at) \
         VALUES ($1, $2, nextval('lease_tokens'), now() + make_interval(secs => $3)) \
         ON CONFLICT (document_id) DO UPDATE \
         SET run = excluded.run, token = excluded.token, ends_at = excluded.ends_at \
         WHERE leases.run = excluded.run OR leases.ends_at < now() \
         RETURNING token",
    )
    .bind(doc.id)
    .bind(run)
    .bind(LEASE_SECONDS as f64)
    .fetch_optional(connection)
    .await?;
    Ok(token.map(Token))
}

/// Ends a claim. `false` when it is not there any more: somebody else has taken over, and the caller's transaction is to
/// be undone. That the time is up is no hindrance as long as nobody has.
pub(crate) async fn end(
    connection: &mut PgConnection,
    run: Uuid,
    doc: &DocumentRow,
    token: Token,
) -> Result<bool, StoreError> {
    let ended = sqlx::query("DELETE FROM leases WHERE document_id = $1 AND run = $2 AND token = $3")
        .bind(doc.id)
        .bind(run)
        .bind(token.0)
        .execute(connection)
        .await?;
    Ok(ended.rows_affected() == 1)
}
