//! Elementary functions with the exact bits of the reference: the classic Cephes and fdlibm approximations that Go
//! uses on amd64, not those of the C library, which differ in the last places. Numbers only, nothing of PromQL.

#![expect(clippy::excessive_precision, reason = "constants as they are published")]

use std::f64::consts::{LOG2_E, LOG10_E};

/// ln 2 in two parts; `k * LN2_HIGH` is exact for every exponent `k`.
const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3DEA_39EF_3579_3C76);

/// Coefficients of the minimax polynomial for `ln((1+s)/(1-s))`, shared by `ln` and `ln_1p`.
const LN_COEFFICIENTS: [f64; 7] = [
    f64::from_bits(0x3FE5_5555_5555_5593),
    f64::from_bits(0x3FD9_9999_9997_FA04),
    f64::from_bits(0x3FD2_4924_9422_9359),
    f64::from_bits(0x3FCC_71C5_1D8E_78AF),
    f64::from_bits(0x3FC7_4664_96CB_03DE),
    f64::from_bits(0x3FC3_9A09_D078_C69F),
    f64::from_bits(0x3FC2_F112_DF3E_5244),
];

/// Horner's rule, highest coefficient first.
#[inline]
pub fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    let (first, rest) = coefficients.split_first().expect("a polynomial has coefficients");
    rest.iter().fold(*first, |sum, c| sum * x + c)
}

/// Fraction in `[0.5, 1)` and exponent of a finite number; zero and non-finite numbers are their own fraction.
fn split(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    let denormal = x.abs() < f64::MIN_POSITIVE;
    let normal = if denormal { x * 2f64.powi(52) } else { x };
    let bits = normal.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1022 - if denormal { 52 } else { 0 };
    (f64::from_bits(bits & !(0x7FF << 52) | (1022 << 52)), exponent)
}

/// `fraction * 2^exponent`, rounded once.
fn scale(fraction: f64, exponent: i32) -> f64 {
    let (fraction, own) = split(fraction);
    if fraction == 0.0 || !fraction.is_finite() {
        return fraction;
    }
    let exponent = i64::from(exponent) + i64::from(own);
    let power = |e: i64| f64::from_bits(((e + 1023) as u64) << 52);
    match exponent {
        1025.. => f64::INFINITY.copysign(fraction),
        -1020..=1024 => fraction * 2.0 * power(exponent - 1),
        -1074..=-1021 => fraction * power(exponent + 60) * power(-60),
        _ => 0f64.copysign(fraction),
    }
}

/// e^x. Overflows a little early: from 709.436 on the exponent is rounded up to 1024.
pub fn exp(x: f64) -> f64 {
    const LN2_UPPER: f64 = 0.693_147_180_559_662_956_511_601_805_686_950_683_593_75;
    const LN2_LOWER: f64 = 0.282_352_905_630_315_771_225_884_481_750_134_360_255_254_120_68e-12;
    const TAYLOR: [f64; 8] = [
        2.480_158_730_158_730_158_7e-5,
        1.984_126_984_126_984_127_0e-4,
        1.388_888_888_888_888_888_9e-3,
        8.333_333_333_333_333_333_3e-3,
        4.166_666_666_666_666_666_7e-2,
        1.666_666_666_666_666_666_7e-1,
        0.5,
        1.0,
    ];
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x > 7.097_827_128_933_84e2 {
        return f64::INFINITY;
    }
    if x < -800.0 {
        return 0.0;
    }
    let exponent = (x * LOG2_E).round_ties_even();
    let reduced = (-LN2_LOWER).mul_add(exponent, (-LN2_UPPER).mul_add(exponent, x)) * 0.0625;
    let sum = TAYLOR[1..].iter().fold(TAYLOR[0], |sum, &c| sum.mul_add(reduced, c));
    // e^r - 1, squared up four times: (1 + y)^2 - 1 = y * (y + 2).
    let mut y = reduced * sum;
    for _ in 0..3 {
        y *= y + 2.0;
    }
    let y = y.mul_add(y + 2.0, 1.0);
    let exponent = exponent as i32;
    match exponent {
        1024.. => f64::INFINITY,
        -1022..=1023 => y * f64::from_bits(((exponent + 1023) as u64) << 52),
        -1075..=-1023 => scale(y, exponent),
        _ => 0.0,
    }
}

/// Natural logarithm. Denormal numbers are not normalised first, as in the reference.
pub fn ln(x: f64) -> f64 {
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if !x.is_finite() {
        return x;
    }
    let bits = x.to_bits();
    let mut fraction = f64::from_bits(bits & ((1 << 52) - 1) | (1022 << 52));
    let mut exponent = (bits >> 52) as f64 - 1022.0;
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        exponent -= 1.0;
        fraction *= 2.0;
    }
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let (s2, c) = (s * s, &LN_COEFFICIENTS);
    let s4 = s2 * s2;
    let odd = s2 * polynomial(s4, &[c[6], c[4], c[2], c[0]]);
    let even = s4 * polynomial(s4, &[c[5], c[3], c[1]]);
    let half = 0.5 * f * f;
    exponent * LN2_HIGH - ((half - (s * (half + (odd + even)) + exponent * LN2_LOW)) - f)
}

/// Logarithm to the base 2; exact for powers of two.
pub fn log2(x: f64) -> f64 {
    let (fraction, exponent) = split(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    ln(fraction) * LOG2_E + f64::from(exponent)
}

/// Logarithm to the base 10.
pub fn log10(x: f64) -> f64 {
    ln(x) * LOG10_E
}

/// 2^x, by fdlibm's rational approximation.
#[must_use]
pub fn exp2(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [
        f64::from_bits(0x3E66_3769_72BE_A4D0),
        f64::from_bits(0xBEBB_BD41_C5D2_6BF1),
        f64::from_bits(0x3F11_566A_AF25_DE2C),
        f64::from_bits(0xBF66_C16C_16BE_BD93),
        f64::from_bits(0x3FC5_5555_5555_5555),
    ];
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x == f64::NEG_INFINITY || x < -1074.0 {
        return 0.0;
    }
    if x > 1.023_999_999_999_999_9e3 {
        return f64::INFINITY;
    }
    let exponent = (x + 0.5_f64.copysign(x)) as i32;
    let rest = x - f64::from(exponent);
    let (high, low) = (rest * LN2_HIGH, -rest * LN2_LOW);
    let r = high - low;
    let t = r * r;
    let c = r - t * polynomial(t, &COEFFICIENTS);
    scale(1.0 - ((low - (r * c) / (2.0 - c)) - high), exponent)
}

/// ln(1 + x), exact for small `x`.
pub fn ln_1p(x: f64) -> f64 {
    const SQRT2_MINUS_1: f64 = 4.142_135_623_730_950_488_017e-01;
    const HALF_SQRT2_MINUS_1: f64 = -2.928_932_188_134_524_755_992e-01;
    if x < -1.0 || x.is_nan() {
        return f64::NAN;
    }
    if x == -1.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    if x.abs() < SQRT2_MINUS_1 {
        if x.abs() < 2f64.powi(-54) {
            return x;
        }
        if x.abs() < 2f64.powi(-29) {
            return x - x * x * 0.5;
        }
        if x > HALF_SQRT2_MINUS_1 {
            return ln_1p_reduced(x, 1, 0.0, 0.0);
        }
    }
    let u = if x.abs() < 2f64.powi(53) { 1.0 + x } else { x };
    let mut k = (u.to_bits() >> 52) as f64 - 1023.0;
    // What rounding 1 + x lost.
    let correction = if x.abs() >= 2f64.powi(53) {
        0.0
    } else if k > 0.0 {
        (1.0 - (u - x)) / u
    } else {
        (x - (u - 1.0)) / u
    };
    let mut mantissa = u.to_bits() & 0x000F_FFFF_FFFF_FFFF;
    let f = if mantissa < 0x0006_A09E_667F_3BCD {
        f64::from_bits(mantissa | 0x3FF0_0000_0000_0000) - 1.0
    } else {
        k += 1.0;
        let f = f64::from_bits(mantissa | 0x3FE0_0000_0000_0000) - 1.0;
        mantissa = (0x0010_0000_0000_0000 - mantissa) >> 2;
        f
    };
    ln_1p_reduced(f, mantissa, k, correction)
}

/// ln(2^k * (1 + f)) plus a correction; `mantissa` is zero where `f` is tiny.
fn ln_1p_reduced(f: f64, mantissa: u64, k: f64, correction: f64) -> f64 {
    let half = 0.5 * f * f;
    if mantissa == 0 {
        if f == 0.0 {
            return if k == 0.0 { 0.0 } else { k * LN2_HIGH + (correction + k * LN2_LOW) };
        }
        let r = half * (1.0 - 0.666_666_666_666_666_66 * f);
        return if k == 0.0 {
            f - r
        } else {
            k * LN2_HIGH - ((r - (k * LN2_LOW + correction)) - f)
        };
    }
    let s = f / (2.0 + f);
    let z = s * s;
    let c = &LN_COEFFICIENTS;
    let r = z * polynomial(z, &[c[6], c[5], c[4], c[3], c[2], c[1], c[0]]);
    if k == 0.0 {
        f - (half - s * (half + r))
    } else {
        k * LN2_HIGH - ((half - (s * (half + r) + (k * LN2_LOW + correction))) - f)
    }
}

fn is_odd(x: f64) -> bool {
    x.abs() < 2f64.powi(53) && x.fract() == 0.0 && (x as i64) & 1 == 1
}

/// `x^y` where one of the two is zero, infinite or not a number; `None` if neither is.
fn pow_special(x: f64, y: f64) -> Option<f64> {
    if y == 0.0 || x == 1.0 {
        return Some(1.0);
    }
    if x.is_nan() || y.is_nan() {
        return Some(f64::NAN);
    }
    let huge = |grows: bool| if grows { f64::INFINITY } else { 0.0 };
    if x == 0.0 {
        let size = huge(y < 0.0);
        return Some(if is_odd(y) { size.copysign(x) } else { size });
    }
    if y.is_infinite() {
        let at_one = x == -1.0;
        return Some(if at_one { 1.0 } else { huge((x.abs() < 1.0) != (y > 0.0)) });
    }
    if x.is_infinite() {
        let size = huge(y > 0.0);
        return Some(if x < 0.0 && is_odd(y) { -size } else { size });
    }
    None
}

/// `x^y` by repeated squaring of the integer part and `exp`, `ln` of the fraction.
pub fn pow(x: f64, y: f64) -> f64 {
    if let Some(value) = pow_special(x, y) {
        return value;
    }
    if y == 1.0 {
        return x;
    }
    if y == 0.5 {
        return x.sqrt();
    }
    if y == -0.5 {
        return 1.0 / x.sqrt();
    }
    let (mut whole, mut fraction) = (y.abs().trunc(), y.abs().fract());
    if fraction != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    if whole >= 2f64.powi(63) {
        let shrinks = (x.abs() < 1.0) == (y > 0.0);
        return if x == -1.0 {
            1.0
        } else if shrinks {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let (mut result, mut exponent) = (1.0, 0i32);
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1.0;
        }
        result = exp(fraction * ln(x));
    }
    let (mut base, mut base_exponent) = split(x);
    let mut bits = whole as i64;
    while bits != 0 {
        if base_exponent.abs() > 1 << 12 {
            exponent += base_exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= base;
            exponent += base_exponent;
        }
        base *= base;
        base_exponent <<= 1;
        if base < 0.5 {
            base += base;
            base_exponent -= 1;
        }
        bits >>= 1;
    }
    if y < 0.0 { scale(1.0 / result, -exponent) } else { scale(result, exponent) }
}
