//! What a compaction puts in the place of the rows that it has deleted.

use super::document::DocumentRow;
use super::segment::Packed;
use super::sql::Tables;
use crate::{Compaction, DocId, Generation, StoreError};

/// Writes the snapshot and the segments, and the row of the document with the new generation. In the transaction that
/// deletes the rows.
pub(crate) async fn put(
    tables: &mut impl Tables,
    doc: &DocId,
    mut row: DocumentRow,
    merge: Compaction,
    segments: Vec<Packed>,
) -> Result<Generation, StoreError> {
    let generation = merge.newest.next();
    tables.replace_snapshot(&row, generation, merge).await?;
    tables.insert_segments(&row, generation, segments).await?;
    row.generation = generation;
    tables.update_document(doc, &row).await?;
    Ok(generation)
}
