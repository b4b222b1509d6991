//! Trigonometric and hyperbolic functions with the bits of the reference. Numbers only; see `elementary`.

#![expect(clippy::excessive_precision, reason = "constants as they are published")]

use model::elementary::{exp, ln, ln_1p, polynomial};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, PI};

/// Pi/4 in three parts, the first two with trailing zeros so that small multiples are exact.
const PI4_PARTS: [f64; 3] = [
    f64::from_bits(0x3FE9_21FB_4000_0000),
    f64::from_bits(0x3E64_442D_0000_0000),
    f64::from_bits(0x3CE8_4698_98CC_5170),
];

const SIN: [f64; 6] = [
    f64::from_bits(0x3DE5_D8FD_1FD1_9CCD),
    f64::from_bits(0xBE5A_E5E5_A929_1F5D),
    f64::from_bits(0x3EC7_1DE3_567D_48A1),
    f64::from_bits(0xBF2A_01A0_19BF_DF03),
    f64::from_bits(0x3F81_1111_1110_F7D0),
    f64::from_bits(0xBFC5_5555_5555_5548),
];

const COS: [f64; 6] = [
    f64::from_bits(0xBDA8_FA49_A086_1A9B),
    f64::from_bits(0x3E21_EE9D_7B4E_3F05),
    f64::from_bits(0xBE92_7E4F_7EAC_4BC6),
    f64::from_bits(0x3EFA_01A0_19C8_44F5),
    f64::from_bits(0xBF56_C16C_16C1_4F91),
    f64::from_bits(0x3FA5_5555_5555_554B),
];

/// The binary digits of 4/pi, 64 at a time.
const FOUR_OVER_PI: [u64; 20] = [
    0x0000_0000_0000_0001,
    0x45f3_06dc_9c88_2a53,
    0xf84e_afa3_ea69_bb81,
    0xb6c5_2b32_7887_2083,
    0xfca2_c757_bd77_8ac3,
    0x6e48_dc74_849b_a5c0,
    0x0c92_5dd4_13a3_2439,
    0xfc3b_d639_6253_4e7d,
    0xd104_6bea_5d76_8909,
    0xd338_e04d_68be_fc82,
    0x7323_ac73_06a6_73e9,
    0x3908_bf17_7bf2_5076,
    0x3ff1_2fff_bc0b_301f,
    0xde5e_2316_b414_da3e,
    0xda6c_fd9e_4f96_136e,
    0x9e8c_7ecd_3cbf_d45a,
    0xea4f_758f_d7cb_e2f6,
    0x7a0e_73ef_14a5_25d4,
    0xd7f6_bf62_3f1a_ba10,
    0xac06_608d_f8f6_d757,
];

/// Octant (even) and the remainder in `[-pi/4, pi/4]` of a positive number.
fn reduce(x: f64) -> (u64, f64) {
    if x >= 2f64.powi(29) {
        return reduce_huge(x);
    }
    let octant = (x * (4.0 / PI)) as u64;
    let octant = octant + (octant & 1);
    let y = octant as f64;
    (octant & 7, ((x - y * PI4_PARTS[0]) - y * PI4_PARTS[1]) - y * PI4_PARTS[2])
}

/// The same for numbers whose multiple of pi/4 is not exact in 53 bits: Payne and Hanek's method, the product with
/// the digits of 4/pi that matter in integers.
fn reduce_huge(x: f64) -> (u64, f64) {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i64 - 1023 - 52;
    let mantissa = bits & ((1 << 52) - 1) | (1 << 52);
    let (digit, shift) = ((exponent + 61) as usize / 64, (exponent + 61) as u32 % 64);
    let window = |index: usize| {
        let pair = u128::from(FOUR_OVER_PI[index]) << 64 | u128::from(FOUR_OVER_PI[index + 1]);
        (pair << shift >> 64) as u64
    };
    let product = |digits: u64| u128::from(digits) * u128::from(mantissa);
    let middle = product(window(digit + 1)) + (product(window(digit + 2)) >> 64);
    let total = (product(window(digit)) << 64).wrapping_add(middle);
    let octant = (total >> 125) as u64;
    // The fraction, normalised. The bits that move in from the right are those of the unshifted product: where many
    // move in the reference repeats some, and so does this.
    let fraction = (total >> 61) as u64;
    let zeros = fraction.leading_zeros();
    let low = (total as u64).checked_shr(63 - zeros).unwrap_or(0);
    let mantissa = (fraction.checked_shl(zeros + 1).unwrap_or(0) | low) >> 12;
    let z = f64::from_bits(u64::from(1023 - (zeros + 1)) << 52 | mantissa);
    if octant & 1 == 1 {
        ((octant + 1) & 7, (z - 1.0) * FRAC_PI_4)
    } else {
        (octant, z * FRAC_PI_4)
    }
}

fn sin_near_zero(z: f64) -> f64 {
    let zz = z * z;
    z + z * zz * polynomial(zz, &SIN)
}

fn cos_near_zero(z: f64) -> f64 {
    let zz = z * z;
    1.0 - 0.5 * zz + zz * zz * polynomial(zz, &COS)
}

pub(crate) fn sin(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let y = if octant & 3 == 2 { cos_near_zero(z) } else { sin_near_zero(z) };
    if (x < 0.0) != (octant > 3) { -y } else { y }
}

pub(crate) fn cos(x: f64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let y = if octant & 3 == 2 { sin_near_zero(z) } else { cos_near_zero(z) };
    if (octant > 3) != (octant & 3 > 1) { -y } else { y }
}

pub(crate) fn tan(x: f64) -> f64 {
    const P: [f64; 3] = [
        f64::from_bits(0xC0C9_92D8_D24F_3F38),
        f64::from_bits(0x4131_99EC_A5FC_9DDD),
        f64::from_bits(0xC171_1FEA_D329_9176),
    ];
    const Q: [f64; 5] = [
        1.0,
        f64::from_bits(0x40CA_B8A5_EEB3_6572),
        f64::from_bits(0xC134_27BC_582A_BC96),
        f64::from_bits(0x4177_D98F_C2EA_D8EF),
        f64::from_bits(0xC189_AFE0_3CBE_5A31),
    ];
    if x == 0.0 || x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return f64::NAN;
    }
    let (octant, z) = reduce(x.abs());
    let zz = z * z;
    let y = if zz > 1e-14 { z + z * (zz * polynomial(zz, &P) / polynomial(zz, &Q)) } else { z };
    let y = if octant & 2 == 2 { -1.0 / y } else { y };
    if x < 0.0 { -y } else { y }
}

/// The arc tangent of a number between 0 and 0.66.
fn atan_small(x: f64) -> f64 {
    const P: [f64; 5] = [
        -8.750_608_600_031_904_122_785e-01,
        -1.615_753_718_733_365_076_637e+01,
        -7.500_855_792_314_704_667_340e+01,
        -1.228_866_684_490_136_173_410e+02,
        -6.485_021_904_942_025_371_773e+01,
    ];
    const Q: [f64; 6] = [
        1.0,
        2.485_846_490_142_306_297_962e+01,
        1.650_270_098_316_988_542_046e+02,
        4.328_810_604_912_902_668_951e+02,
        4.853_903_996_359_136_964_868e+02,
        1.945_506_571_482_613_964_425e+02,
    ];
    let z = x * x;
    x * (z * polynomial(z, &P) / polynomial(z, &Q)) + x
}

/// The arc tangent of a positive number.
fn atan_positive(x: f64) -> f64 {
    /// What pi/2 lacks.
    const MORE_BITS: f64 = 6.123_233_995_736_765_886_130e-17;
    const TAN_3_PI_8: f64 = 2.414_213_562_373_095_048_80;
    if x <= 0.66 {
        atan_small(x)
    } else if x > TAN_3_PI_8 {
        FRAC_PI_2 - atan_small(1.0 / x) + MORE_BITS
    } else {
        FRAC_PI_4 + atan_small((x - 1.0) / (x + 1.0)) + 0.5 * MORE_BITS
    }
}

pub(crate) fn atan(x: f64) -> f64 {
    if x == 0.0 {
        x
    } else if x > 0.0 {
        atan_positive(x)
    } else {
        -atan_positive(-x)
    }
}

pub(crate) fn asin(x: f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    let a = x.abs();
    if a > 1.0 {
        return f64::NAN;
    }
    let opposite = (1.0 - a * a).sqrt();
    let y =
        if a > 0.7 { FRAC_PI_2 - atan_positive(opposite / a) } else { atan_positive(a / opposite) };
    if x < 0.0 { -y } else { y }
}

pub(crate) fn acos(x: f64) -> f64 {
    FRAC_PI_2 - asin(x)
}

pub(crate) fn atan2(y: f64, x: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if y == 0.0 {
        return if x.is_sign_positive() { 0f64.copysign(y) } else { PI.copysign(y) };
    }
    if x == 0.0 {
        return FRAC_PI_2.copysign(y);
    }
    if x.is_infinite() {
        let angle = match (x > 0.0, y.is_infinite()) {
            (true, true) => FRAC_PI_4,
            (true, false) => 0.0,
            (false, true) => 3.0 * FRAC_PI_4,
            (false, false) => PI,
        };
        return angle.copysign(y);
    }
    if y.is_infinite() {
        return FRAC_PI_2.copysign(y);
    }
    let q = atan(y / x);
    if x >= 0.0 {
        q
    } else if q <= 0.0 {
        q + PI
    } else {
        q - PI
    }
}

pub(crate) fn sinh(x: f64) -> f64 {
    const P: [f64; 4] = [
        -0.263_056_321_339_749_706_281_948_9e+2,
        -0.289_421_135_598_956_380_728_466_036_6e+4,
        -0.899_127_202_203_950_935_539_801_351_1e+5,
        -0.630_767_364_049_771_699_118_478_725_1e+6,
    ];
    const Q: [f64; 4] = [
        1.0,
        -0.173_678_953_558_233_699_533_450_911e+3,
        0.152_151_737_879_001_907_069_648_517_6e+5,
        -0.630_767_364_049_771_699_121_207_727_7e+6,
    ];
    let a = x.abs();
    let y = if a > 21.0 {
        exp(a) / 2.0
    } else if a > 0.5 {
        let grown = exp(a);
        (grown - 1.0 / grown) / 2.0
    } else {
        let square = a * a;
        polynomial(square, &P) * a / polynomial(square, &Q)
    };
    if x < 0.0 { -y } else { y.copysign(if x.is_nan() { y } else { x }) }
}

pub(crate) fn cosh(x: f64) -> f64 {
    let a = x.abs();
    let grown = exp(a);
    if a > 21.0 { grown / 2.0 } else { (grown + 1.0 / grown) / 2.0 }
}

pub(crate) fn tanh(x: f64) -> f64 {
    const P: [f64; 3] = [
        -9.643_991_794_250_522_386_28e-1,
        -9.928_772_310_019_185_865_64e1,
        -1.614_687_684_417_084_479_52e3,
    ];
    const Q: [f64; 4] = [
        1.0,
        1.128_116_784_916_329_314_02e2,
        2.235_488_390_601_004_485_83e3,
        4.844_063_053_251_254_860_48e3,
    ];
    /// ln 2^127
    const MAX_LN: f64 = 8.802_969_193_111_305_429_598_8e+01;
    let a = x.abs();
    if a > 0.5 * MAX_LN {
        1f64.copysign(x)
    } else if a >= 0.625 {
        (1.0 - 2.0 / (exp(2.0 * a) + 1.0)).copysign(x)
    } else if x == 0.0 {
        x
    } else {
        let s = x * x;
        x + x * s * polynomial(s, &P) / polynomial(s, &Q)
    }
}

pub(crate) fn asinh(x: f64) -> f64 {
    if !x.is_finite() {
        return x;
    }
    let a = x.abs();
    let y = if a > 2f64.powi(28) {
        ln(a) + LN_2
    } else if a > 2.0 {
        ln(2.0 * a + 1.0 / ((a * a + 1.0).sqrt() + a))
    } else if a < 2f64.powi(-28) {
        a
    } else {
        ln_1p(a + a * a / (1.0 + (1.0 + a * a).sqrt()))
    };
    if x < 0.0 { -y } else { y.copysign(x) }
}

pub(crate) fn acosh(x: f64) -> f64 {
    if x < 1.0 || x.is_nan() {
        f64::NAN
    } else if x == 1.0 {
        0.0
    } else if x >= 2f64.powi(28) {
        ln(x) + LN_2
    } else if x > 2.0 {
        ln(2.0 * x - 1.0 / (x + (x * x - 1.0).sqrt()))
    } else {
        let t = x - 1.0;
        ln_1p(t + (2.0 * t + t * t).sqrt())
    }
}

pub(crate) fn atanh(x: f64) -> f64 {
    if !(-1.0..=1.0).contains(&x) {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    let a = x.abs();
    let y = if a < 2f64.powi(-28) {
        a
    } else if a < 0.5 {
        let double = a + a;
        0.5 * ln_1p(double + double * a / (1.0 - a))
    } else {
        0.5 * ln_1p((a + a) / (1.0 - a))
    };
    if x < 0.0 { -y } else { y.copysign(x) }
}
