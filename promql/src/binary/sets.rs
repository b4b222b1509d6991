//! `and`, `or`, `unless`: presence only, values pass through.

use super::signature::{SignatureOf, Signatures};
use crate::ast::BinaryOp;
use crate::bitmap;
use crate::engine::Error;
use crate::exec::Exec;
use crate::operator::{LabelIndex, StepBatch};
use crate::plan::Binary;

/// Where each signature has a value.
fn coverage(batch: &StepBatch, signatures: &Signatures, count: usize) -> Vec<Vec<u64>> {
    let mut out = vec![vec![0; bitmap::num_words(batch.steps)]; count];
    for (row, &number) in signatures.of_row.iter().enumerate() {
        bitmap::or(&mut out[number], &batch.presence(row));
    }
    out
}

/// The vector of a set operator.
pub(crate) fn vector(
    exec: &Exec<'_>,
    node: &Binary,
    mut lhs: StepBatch,
    mut rhs: StepBatch,
) -> Result<StepBatch, Error> {
    let by = SignatureOf::new(exec, &node.matching);
    let mut index = LabelIndex::default();
    let left = Signatures::new(&lhs, &by, &mut index);
    let right = Signatures::new(&rhs, &by, &mut index);
    if node.op == BinaryOp::Or {
        let covered = coverage(&lhs, &left, index.len());
        for row in 0..rhs.len() {
            let mut kept = rhs.presence(row).into_owned();
            bitmap::and_not(&mut kept, &covered[right.of_row[row]]);
            rhs.keep(row, &kept);
        }
        lhs.append(&rhs);
        return lhs.without_empty_rows().merge_equal();
    }
    let covered = coverage(&rhs, &right, index.len());
    for row in 0..lhs.len() {
        let mut kept = lhs.presence(row).into_owned();
        if node.op == BinaryOp::And {
            bitmap::and(&mut kept, &covered[left.of_row[row]]);
        } else {
            bitmap::and_not(&mut kept, &covered[left.of_row[row]]);
        }
        lhs.keep(row, &kept);
    }
    Ok(lhs)
}
