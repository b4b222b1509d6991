//! Sums and means of native histograms, of a window or of a group of series.

use super::{Both, Told};
use model::histogram::{
    Combined, Compensation, CounterResetHint, FloatHistogram, HistogramView, Incompatible,
};

/// A sum of histograms whose operands say different things about resets: told once for the whole of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resets {
    seen: bool,
    denied: bool,
}

impl Resets {
    pub(crate) fn add(&mut self, hint: CounterResetHint) {
        self.seen |= hint == CounterResetHint::CounterReset;
        self.denied |= hint == CounterResetHint::NotCounterReset;
    }

    pub(crate) fn collide(self) -> bool {
        self.seen && self.denied
    }
}

pub(super) fn sum(both: &Both<'_>, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let (mut sum, lost, _) =
        fold(both, told, |sum, lost, view, _| sum.value.add_compensated(lost, view))?;
    sum.value.add_lost(&lost);
    Some(sum.value)
}

/// A running sum, or a running mean once the sum would overflow.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) value: FloatHistogram,
    pub(crate) is_mean: bool,
}

impl Running {
    /// Takes in the sample that makes it `count`: see the float mean for why it may change to a running mean.
    pub(crate) fn add_to_mean(
        &mut self,
        lost: &mut Compensation,
        view: HistogramView<'_>,
        count: f64,
    ) -> Result<Combined, Incompatible> {
        if !self.is_mean {
            let (mut value, mut still_lost) = (self.value.clone(), lost.clone());
            let combined = value.add_compensated(&mut still_lost, view)?;
            if !value.has_overflow() {
                (self.value, *lost) = (value, still_lost);
                return Ok(combined);
            }
            self.is_mean = true;
            self.value.divide(count - 1.0);
            lost.divide(count - 1.0);
        }
        let weight = (count - 1.0) / count;
        lost.scale(weight);
        self.value.scale(weight);
        let mut share = view.to_owned();
        share.divide(count);
        self.value.add_compensated(lost, share.view())
    }

    /// The mean of `count` samples.
    pub(crate) fn mean(mut self, mut lost: Compensation, count: f64) -> FloatHistogram {
        if !self.is_mean {
            self.value.divide(count);
            lost.divide(count);
        }
        self.value.add_lost(&lost);
        self.value
    }
}

pub(super) fn mean(both: &Both<'_>, told: &Told<'_, '_>) -> Option<FloatHistogram> {
    let (running, lost, count) = fold(both, told, Running::add_to_mean)?;
    Some(running.mean(lost, count))
}

fn fold(
    both: &Both<'_>,
    told: &Told<'_, '_>,
    mut add: impl FnMut(
        &mut Running,
        &mut Compensation,
        HistogramView<'_>,
        f64,
    ) -> Result<Combined, Incompatible>,
) -> Option<(Running, Compensation, f64)> {
    let points = both.points();
    let mut views = both.histograms.clone().map(|row| points.get(row));
    let first = views.next()?;
    let mut running = Running { value: first.to_owned(), is_mean: false };
    let (mut lost, mut resets, mut count) = (Compensation::default(), Resets::default(), 1.0);
    let mut reconciled = false;
    resets.add(first.hint);
    let mut failed = false;
    for view in views {
        resets.add(view.hint);
        count += 1.0;
        match add(&mut running, &mut lost, view, count) {
            Ok(combined) => reconciled |= combined.bounds_reconciled,
            Err(Incompatible) => {
                failed = true;
                break;
            }
        }
    }
    if failed {
        told.mixed_schemas();
        return None;
    }
    if resets.collide() {
        told.collision();
    }
    if reconciled {
        told.reconciled("aggregation");
    }
    Some((running, lost, count))
}
