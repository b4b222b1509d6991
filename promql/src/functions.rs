//! The table of PromQL functions: names, argument types, results. Data only: what they compute lives beside it.

pub(crate) mod call;
pub(crate) mod classic;
pub(crate) mod histogram;
pub(crate) mod label;
pub(crate) mod native;
pub(crate) mod predict;
pub(crate) mod range;
pub(crate) mod sort;
mod time;
pub(crate) mod trig;

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};

/// How many arguments a function takes beyond what its types say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variadic {
    /// Exactly one argument for each type.
    None,
    /// The last type is optional and may be used up to this many times.
    UpTo(usize),
    /// The last type may be used any number of times, also never.
    Any,
}

/// The signature of a function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Which one.
    pub id: FunctionId,
    /// Its name, case-sensitive.
    pub name: &'static str,
    /// Types of its arguments; the last one stands for all further ones.
    pub args: &'static [ValueType],
    /// Whether the last argument is optional or repeated.
    pub variadic: Variadic,
    /// Type of its result.
    pub returns: ValueType,
    /// Needs `experimental_functions`.
    pub experimental: bool,
}

impl Function {
    /// The least number of arguments.
    #[must_use]
    pub fn min_args(&self) -> usize {
        match self.variadic {
            Variadic::None => self.args.len(),
            Variadic::UpTo(_) | Variadic::Any => self.args.len() - 1,
        }
    }

    /// The largest number of arguments, if there is one.
    #[must_use]
    pub fn max_args(&self) -> Option<usize> {
        match self.variadic {
            Variadic::None => Some(self.args.len()),
            Variadic::UpTo(more) => Some(self.args.len() - 1 + more),
            Variadic::Any => None,
        }
    }

    /// The type of argument `index`.
    #[must_use]
    pub fn arg_type(&self, index: usize) -> Option<ValueType> {
        self.args.get(index).or(self.args.last()).copied()
    }
}

macro_rules! functions {
    ($($id:ident $name:literal [$($arg:ident)*] $variadic:expr, $returns:ident $($experimental:ident)?;)*) => {
        /// Names a function.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum FunctionId {
            $($id,)*
        }

        /// All functions, sorted by name.
        pub static FUNCTIONS: &[Function] = &[
            $(Function {
                id: FunctionId::$id,
                name: $name,
                args: &[$($arg,)*],
                variadic: $variadic,
                returns: $returns,
                experimental: false $(|| stringify!($experimental).len() > 0)?,
            },)*
        ];
    };
}

const NONE: Variadic = Variadic::None;
const OPTIONAL: Variadic = Variadic::UpTo(1);

functions! {
    Abs "abs" [Vector] NONE, Vector;
    Absent "absent" [Vector] NONE, Vector;
    AbsentOverTime "absent_over_time" [Matrix] NONE, Vector;
    Acos "acos" [Vector] NONE, Vector;
    Acosh "acosh" [Vector] NONE, Vector;
    Asin "asin" [Vector] NONE, Vector;
    Asinh "asinh" [Vector] NONE, Vector;
    Atan "atan" [Vector] NONE, Vector;
    Atanh "atanh" [Vector] NONE, Vector;
    AvgOverTime "avg_over_time" [Matrix] NONE, Vector;
    Ceil "ceil" [Vector] NONE, Vector;
    Changes "changes" [Matrix] NONE, Vector;
    Clamp "clamp" [Vector Scalar Scalar] NONE, Vector;
    ClampMax "clamp_max" [Vector Scalar] NONE, Vector;
    ClampMin "clamp_min" [Vector Scalar] NONE, Vector;
    Cos "cos" [Vector] NONE, Vector;
    Cosh "cosh" [Vector] NONE, Vector;
    CountOverTime "count_over_time" [Matrix] NONE, Vector;
    DayOfMonth "day_of_month" [Vector] OPTIONAL, Vector;
    DayOfWeek "day_of_week" [Vector] OPTIONAL, Vector;
    DayOfYear "day_of_year" [Vector] OPTIONAL, Vector;
    DaysInMonth "days_in_month" [Vector] OPTIONAL, Vector;
    Deg "deg" [Vector] NONE, Vector;
    Delta "delta" [Matrix] NONE, Vector;
    Deriv "deriv" [Matrix] NONE, Vector;
    DoubleExponentialSmoothing "double_exponential_smoothing" [Matrix Scalar Scalar] NONE, Vector experimental;
    End "end" [] NONE, Scalar experimental;
    Exp "exp" [Vector] NONE, Vector;
    FirstOverTime "first_over_time" [Matrix] NONE, Vector;
    Floor "floor" [Vector] NONE, Vector;
    HistogramAvg "histogram_avg" [Vector] NONE, Vector;
    HistogramCount "histogram_count" [Vector] NONE, Vector;
    HistogramFraction "histogram_fraction" [Scalar Scalar Vector] NONE, Vector;
    HistogramQuantile "histogram_quantile" [Scalar Vector] NONE, Vector;
    HistogramQuantiles "histogram_quantiles" [Vector String Scalar Scalar] Variadic::UpTo(9), Vector experimental;
    HistogramStddev "histogram_stddev" [Vector] NONE, Vector;
    HistogramStdvar "histogram_stdvar" [Vector] NONE, Vector;
    HistogramSum "histogram_sum" [Vector] NONE, Vector;
    Hour "hour" [Vector] OPTIONAL, Vector;
    Idelta "idelta" [Matrix] NONE, Vector;
    Increase "increase" [Matrix] NONE, Vector;
    Info "info" [Vector Vector] OPTIONAL, Vector experimental;
    Irate "irate" [Matrix] NONE, Vector;
    LabelJoin "label_join" [Vector String String String] Variadic::Any, Vector;
    LabelReplace "label_replace" [Vector String String String String] NONE, Vector;
    LastOverTime "last_over_time" [Matrix] NONE, Vector;
    Ln "ln" [Vector] NONE, Vector;
    Log10 "log10" [Vector] NONE, Vector;
    Log2 "log2" [Vector] NONE, Vector;
    MadOverTime "mad_over_time" [Matrix] NONE, Vector experimental;
    MaxOf "max_of" [Scalar Scalar] NONE, Scalar experimental;
    MaxOverTime "max_over_time" [Matrix] NONE, Vector;
    MinOf "min_of" [Scalar Scalar] NONE, Scalar experimental;
    MinOverTime "min_over_time" [Matrix] NONE, Vector;
    Minute "minute" [Vector] OPTIONAL, Vector;
    Month "month" [Vector] OPTIONAL, Vector;
    Pi "pi" [] NONE, Scalar;
    PredictLinear "predict_linear" [Matrix Scalar] NONE, Vector;
    PresentOverTime "present_over_time" [Matrix] NONE, Vector;
    QuantileOverTime "quantile_over_time" [Scalar Matrix] NONE, Vector;
    Rad "rad" [Vector] NONE, Vector;
    Range "range" [] NONE, Scalar experimental;
    Rate "rate" [Matrix] NONE, Vector;
    Resets "resets" [Matrix] NONE, Vector;
    Round "round" [Vector Scalar] OPTIONAL, Vector;
    Scalar "scalar" [Vector] NONE, Scalar;
    Sgn "sgn" [Vector] NONE, Vector;
    Sin "sin" [Vector] NONE, Vector;
    Sinh "sinh" [Vector] NONE, Vector;
    Sort "sort" [Vector] NONE, Vector;
    SortByLabel "sort_by_label" [Vector String] Variadic::Any, Vector experimental;
    SortByLabelDesc "sort_by_label_desc" [Vector String] Variadic::Any, Vector experimental;
    SortDesc "sort_desc" [Vector] NONE, Vector;
    Sqrt "sqrt" [Vector] NONE, Vector;
    Start "start" [] NONE, Scalar experimental;
    StartTimestamp "start_timestamp" [Vector] NONE, Vector experimental;
    StddevOverTime "stddev_over_time" [Matrix] NONE, Vector;
    StdvarOverTime "stdvar_over_time" [Matrix] NONE, Vector;
    Step "step" [] NONE, Scalar experimental;
    SumOverTime "sum_over_time" [Matrix] NONE, Vector;
    Tan "tan" [Vector] NONE, Vector;
    Tanh "tanh" [Vector] NONE, Vector;
    Time "time" [] NONE, Scalar;
    Timestamp "timestamp" [Vector] NONE, Vector;
    TsOfFirstOverTime "ts_of_first_over_time" [Matrix] NONE, Vector experimental;
    TsOfLastOverTime "ts_of_last_over_time" [Matrix] NONE, Vector experimental;
    TsOfMaxOverTime "ts_of_max_over_time" [Matrix] NONE, Vector experimental;
    TsOfMinOverTime "ts_of_min_over_time" [Matrix] NONE, Vector experimental;
    Vector "vector" [Scalar] NONE, Vector;
    Year "year" [Vector] OPTIONAL, Vector;
}

/// The function with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    let index = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
    Some(&FUNCTIONS[index])
}

#[cfg(test)]
mod tests;
