//! Writing batches to the log: to its tail, or past it to the table.

use std::sync::Arc;

use tokio::time::{Duration, sleep};

use super::table::Framed;
use super::tail::{Entry, Group, Taken};
use super::writer::Writer;
use crate::limits::{TAIL_AGE_SECONDS, TAIL_GROUP_BYTES_MAX};
use crate::record::Batch;
use crate::rows::log::frame_rows;
use crate::{Appended, StoreError, Written};

/// What is appended to documents that are known goes to the tail, and is not on the disk yet.
pub(crate) async fn write(writer: &Arc<Writer>, batches: &[Batch]) -> Result<Written, StoreError> {
    // Framing needs no lock: it is done before the turn, so that turns are as short as the disk allows.
    let framed: Vec<Vec<Vec<u8>>> = batches.iter().map(frame_rows).collect::<Result<_, _>>()?;
    let bytes: usize = framed.iter().flatten().map(Vec::len).sum();
    if bytes <= TAIL_GROUP_BYTES_MAX
        && let Some(appended) = append_to_tail(writer, batches, &framed).await?
    {
        return Ok(Written {
            appended,
            is_on_disk: false,
        });
    }
    let batches = batches.iter().zip(framed).map(|(batch, blobs)| Framed {
        doc: batch.doc.clone(),
        epoch: batch.epoch,
        blobs,
    });
    Ok(Written {
        appended: writer.append(batches.collect()).await?,
        is_on_disk: true,
    })
}

/// Appends to the tail; None when one of the documents is not known.
async fn append_to_tail(
    writer: &Arc<Writer>,
    batches: &[Batch],
    framed: &[Vec<Vec<u8>>],
) -> Result<Option<Vec<Appended>>, StoreError> {
    loop {
        let state = writer.tail.lock().await?;
        let mut group = Group::new();
        let mut appended = Vec::with_capacity(batches.len());
        {
            let known = writer.known();
            for (batch, blobs) in batches.iter().zip(framed) {
                let Some(doc) = known.get(&batch.doc) else {
                    return Ok(None);
                };
                if doc.epoch != batch.epoch {
                    appended.push(Appended::StaleEpoch);
                    continue;
                }
                appended.push(Appended::Stored);
                for blob in blobs {
                    let entry = Entry {
                        document_id: doc.id,
                        epoch: doc.epoch.0,
                        blob,
                    };
                    group.push(&batch.doc, entry);
                }
            }
        }
        if group.is_empty() {
            return Ok(Some(appended));
        }
        match writer.tail.append(state, group).await? {
            Taken::Written { began } => {
                if let Some(generation) = began {
                    fold_in_time(writer, generation);
                }
                return Ok(Some(appended));
            }
            Taken::AfterFold => writer.fold().await?,
        }
    }
}

/// Folds while others go on appending: the generation before this one at once, and this one when it is old.
fn fold_in_time(writer: &Arc<Writer>, generation: u64) {
    let writer = Arc::downgrade(writer);
    tokio::spawn(async move {
        let mut last = generation - 1;
        while let Some(writer) = writer.upgrade() {
            match writer.fold_to(last).await {
                Ok(()) if last == generation => return,
                Ok(()) => last = generation,
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "the log's tail cannot be put into the table"),
            }
            drop(writer);
            sleep(Duration::from_secs(TAIL_AGE_SECONDS)).await;
        }
    });
}
