//! What `kernel` promises, case by case.

use super::counter::{Counting, Events, Extrapolated};
use super::extreme::{Extreme, replaces};
use super::sum::{self, SlidingSum};
use super::{Each, Kernel, Samples, Window, Windows, slide};
use model::StepGrid;
use proptest::prelude::*;

/// What a kernel says of every window.
fn run(kernel: &mut impl Kernel, windows: &Windows, samples: Samples<'_>) -> Vec<Option<u64>> {
    let mut out = vec![None; windows.grid.len];
    // Any NaN is as good as any other.
    let bits = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
    slide(
        kernel,
        (windows, &storage::Cancel::new()),
        samples,
        |step, value| out[step] = Some(bits(value)),
        |_, _, _| {},
    );
    out
}

/// The same computed from each window alone.
fn alone(
    windows: &Windows,
    samples: Samples<'_>,
    mut kernel: impl FnMut() -> Box<dyn FnMut(Samples<'_>, &Window) -> Option<f64>>,
) -> Vec<Option<u64>> {
    let mut each = Each(|samples: Samples<'_>, window: &Window| {
        let part = Samples {
            times: &samples.times[window.begin..window.end],
            values: &samples.values[window.begin..window.end],
            starts_ms: &[],
        };
        kernel()(part, &Window { begin: 0, end: window.end - window.begin, ..*window })
    });
    run(&mut each, windows, samples)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0u32..20).prop_map(f64::from),
        -1e3..1e3,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0),
        Just(1e308),
    ]
}

fn series(value: impl Strategy<Value = f64>) -> impl Strategy<Value = (Vec<i64>, Vec<f64>)> {
    prop::collection::vec((1i64..40, value), 0..60).prop_map(|pairs| {
        let mut time = 0;
        let step = |(gap, value)| {
            time += gap;
            (time, value)
        };
        pairs.into_iter().map(step).unzip()
    })
}

fn windows() -> impl Strategy<Value = Windows> {
    (-50i64..200, 1i64..50, 0usize..40, 1i64..200, -30i64..30).prop_map(
        |(start_ms, step_ms, len, range_ms, offset_ms)| Windows {
            grid: StepGrid { start_ms, step_ms, len },
            at_ms: None,
            offset_ms,
            range_ms,
            before_ms: 0,
            after_ms: 0,
        },
    )
}

fn naive_extreme<const MAX: bool>(samples: Samples<'_>) -> f64 {
    let mut held = samples.values[0];
    for &v in samples.values {
        if replaces::<MAX>(v, held) {
            held = v;
        }
    }
    held
}

proptest! {
    #[test]
    fn sliding_sums_are_those_of_each_window(
        (times, values) in prop_oneof![
            series(value()).boxed(),
            series((-20i32..20).prop_map(f64::from)).boxed(),
        ],
        windows in windows(),
    ) {
        let samples = Samples { times: &times, values: &values, starts_ms: &[] };
        let sums = alone(&windows, samples, || Box::new(|s, _| Some(sum::sum(s.values))));
        prop_assert_eq!(run(&mut SlidingSum::new(false), &windows, samples), sums);
        let means = alone(&windows, samples, || Box::new(|s, _| Some(sum::avg(s.values))));
        prop_assert_eq!(run(&mut SlidingSum::new(true), &windows, samples), means);
    }

    #[test]
    fn sliding_extremes_are_those_of_each_window(
        (times, values) in series(value()),
        windows in windows(),
    ) {
        let samples = Samples { times: &times, values: &values, starts_ms: &[] };
        let min = alone(&windows, samples, || Box::new(|s, _| Some(naive_extreme::<false>(s))));
        prop_assert_eq!(run(&mut Extreme::<false>::new(), &windows, samples), min);
        let max = alone(&windows, samples, || Box::new(|s, _| Some(naive_extreme::<true>(s))));
        prop_assert_eq!(run(&mut Extreme::<true>::new(), &windows, samples), max);
    }

    #[test]
    fn sliding_counters_are_those_of_each_window(
        (times, values) in series(value()),
        windows in windows(),
    ) {
        let samples = Samples { times: &times, values: &values, starts_ms: &[] };
        let counting = Counting { counter: true, per_seconds: Some(0.2) };
        let rates = alone(&windows, samples, || {
            let mut kernel = Extrapolated::new(counting);
            Box::new(move |s, w| {
                kernel.begin(s);
                kernel.value(s, w)
            })
        });
        prop_assert_eq!(run(&mut Extrapolated::new(counting), &windows, samples), rates);
        let falls = |a: f64, b: f64| b < a;
        let resets = alone(&windows, samples, || {
            let mut kernel = Events::new(falls, false);
            Box::new(move |s, w| {
                kernel.begin(s);
                kernel.value(s, w)
            })
        });
        prop_assert_eq!(run(&mut Events::new(falls, false), &windows, samples), resets);
    }
}
