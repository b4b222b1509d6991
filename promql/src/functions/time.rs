//! Parts of dates: seconds since the epoch to minutes, days, months, years in UTC. Integer arithmetic, no calendar
//! library: the reference takes any 64-bit number of seconds.

use crate::functions::FunctionId;

const DAY: i64 = 86_400;

/// Cuts toward zero; what does not fit is the smallest integer, as on amd64.
fn whole_seconds(v: f64) -> i64 {
    let fits = v.abs() < 9_223_372_036_854_775_808.0;
    if fits { v as i64 } else { i64::MIN }
}

struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The date of a day counted from 1970-01-01: eras of 400 years that begin in March, so that the leap day comes last.
fn date(day: i64) -> Date {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    Date {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
    }
}

fn days_in_month(date: &Date) -> i64 {
    match date.month {
        2 if is_leap(date.year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_year(date: &Date) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = i64::from(date.month > 2 && is_leap(date.year));
    BEFORE[(date.month - 1) as usize] + leap + date.day
}

/// The day that holds a time. The smallest 64-bit number of seconds wraps around, as in the reference, which counts
/// from a year long before.
fn day(v: f64) -> i64 {
    match whole_seconds(v) {
        seconds if seconds < -9_223_371_974_719_179_009 => {
            (i128::from(seconds) + (1i128 << 64)).div_euclid(i128::from(DAY)) as i64
        }
        seconds => seconds.div_euclid(DAY),
    }
}

fn second_of_day(v: f64) -> i64 {
    match whole_seconds(v) {
        seconds if seconds < -9_223_371_974_719_179_009 => {
            (i128::from(seconds) + (1i128 << 64)).rem_euclid(i128::from(DAY)) as i64
        }
        seconds => seconds.rem_euclid(DAY),
    }
}

/// The function that takes the part named by `function` out of a time in seconds.
pub(crate) fn part(function: FunctionId) -> fn(f64) -> f64 {
    match function {
        FunctionId::Minute => |v| (second_of_day(v) / 60 % 60) as f64,
        FunctionId::Hour => |v| (second_of_day(v) / 3600) as f64,
        FunctionId::DayOfWeek => |v| (day(v) + 4).rem_euclid(7) as f64,
        FunctionId::DayOfMonth => |v| date(day(v)).day as f64,
        FunctionId::DayOfYear => |v| day_of_year(&date(day(v))) as f64,
        FunctionId::DaysInMonth => |v| days_in_month(&date(day(v))) as f64,
        FunctionId::Month => |v| date(day(v)).month as f64,
        _ => |v| date(day(v)).year as f64,
    }
}
