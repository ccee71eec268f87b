//! What a compaction puts in the place of the rows that it has deleted.

use super::blob::BlobTables;
use super::document::DocumentRow;
use super::segment::Packed;
use super::sql::Tables;
use crate::blobs::BlobKey;
use crate::{Compaction, DocId, Generation, StoreError};

/// Writes the snapshot and the segments, and the row of the document with the new generation. In the transaction that
/// deletes the rows. `None` when the blob with the snapshot was collected in between: the transaction is to be undone.
pub(crate) async fn put(
    tables: &mut (impl Tables + BlobTables),
    doc: &DocId,
    mut row: DocumentRow,
    merge: Compaction,
    blob: Option<&BlobKey>,
    segments: Vec<Packed>,
) -> Result<Option<Generation>, StoreError> {
    if let Some(blob) = blob
        && !tables.hold_blob(blob).await?
    {
        return Ok(None);
    }
    let generation = merge.newest.next();
    tables.replace_snapshot(&row, generation, merge, blob).await?;
    tables.insert_segments(&row, generation, segments).await?;
    row.generation = generation;
    tables.update_document(doc, &row).await?;
    Ok(Some(generation))
}
