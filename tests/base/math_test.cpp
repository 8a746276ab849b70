// base/math.h: errors against the C library in long double and against values computed with 1400 bits (mpmath); special values.
#include <doctest/doctest.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace lathe::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

/// Distance in units in the last place of the expected value's binade.
double ulps(double found, long double expected) {
  const double rounded = static_cast<double>(expected);
  if (std::isnan(rounded) || std::isnan(found)) return std::isnan(rounded) == std::isnan(found) ? 0 : kInf;
  if (std::isinf(rounded) || std::isinf(found)) return rounded == found ? 0 : kInf;
  int exponent = 0;
  std::frexp(rounded, &exponent);
  const long double unit = std::ldexp(1.0L, exponent - 53 < -1074 ? -1074 : exponent - 53);
  return static_cast<double>(std::fabs((static_cast<long double>(found) - expected) / unit));
}

struct Known {
  const char* name;
  double (*f)(double);
  double x, y;
};
constexpr Known kKnown[] = {
    {"exp", math::exp, 0x1.0000000000000p+0, 0x1.5bf0a8b145769p+1},
    {"exp", math::exp, -0x1.0000000000000p+0, 0x1.78b56362cef38p-2},
    {"exp", math::exp, 0x1.62e0000000000p+9, 0x1.ef85a11e73f2dp+1023},
    {"exp", math::exp, -0x1.6226666666666p+9, 0x1.19e98b83de7a3p-1022},
    {"exp", math::exp, 0x1.894911862d918p+3, 0x1.a8e56c40c48ccp+17},
    {"exp", math::exp, 0x1.ef2e045bc8fb8p-2, 0x1.9f3240c95019fp+0},
    {"exp", math::exp, 0x1.b7cdfd9d7bdbbp-34, 0x1.000000006df38p+0},
    {"expm1", math::expm1, 0x1.19799812dea11p-40, 0x1.19799812df3bdp-40},
    {"expm1", math::expm1, -0x1.4f8b588e368f1p-17, -0x1.4f8aea9acf2c9p-17},
    {"expm1", math::expm1, 0x1.999999999999ap-2, 0x1.f7a0e4beeff80p-2},
    {"expm1", math::expm1, -0x1.999999999999ap-2, -0x1.51979f31b1e25p-2},
    {"expm1", math::expm1, 0x1.0000000000000p+0, 0x1.b7e151628aed3p+0},
    {"expm1", math::expm1, 0x1.4400000000000p+5, 0x1.58b03e6797728p+58},
    {"expm1", math::expm1, -0x1.1800000000000p+5, -0x1.ffffffffffffap-1},
    {"log", math::log, 0x1.0000000000000p+1, 0x1.62e42fefa39efp-1},
    {"log", math::log, 0x1.fffffca501acbp-1, -0x1.ad7f2b1049b9fp-24},
    {"log", math::log, 0x1.000001ad7f29bp+0, 0x1.ad7f2847b6492p-24},
    {"log", math::log, 0x1.56e1fc2f8f359p-997, -0x1.5963447f87fb5p+9},
    {"log", math::log, 0x0.0000000000001p-1022, -0x1.74385446d71c3p+9},
    {"log", math::log, 0x1.e42d130773b76p+1023, 0x1.62dd08fdc6f88p+9},
    {"log", math::log, 0x1.97239c6c3047fp+0, 0x1.db1ce89e178f2p-2},
    {"log1p", math::log1p, 0x1.203af9ee75616p-50, 0x1.203af9ee75613p-50},
    {"log1p", math::log1p, -0x1.12e0be826d695p-30, -0x1.12e0be84bbb51p-30},
    {"log1p", math::log1p, -0x1.ffffde7210be9p-1, -0x1.ba18a998fc064p+3},
    {"log1p", math::log1p, 0x1.3333333333333p-2, 0x1.0ca937be1b9dcp-2},
    {"log1p", math::log1p, 0x1.2a05f20000000p+33, 0x1.7069e2aa3184ep+4},
    {"log1p", math::log1p, 0x1.203af9ee75616p-52, 0x1.203af9ee75615p-52},
    {"sin", math::sin, 0x1.0000000000000p+0, 0x1.aed548f090ceep-1},
    {"sin", math::sin, 0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53},
    {"sin", math::sin, 0x1.0f0cf064dd592p+73, -0x1.b453ab76bf397p-1},
    {"sin", math::sin, 0x1.6ac5b262ca1ffp+849, 0x1.0000000000000p+0},
    {"sin", math::sin, 0x1.0000000000000p+30, -0x1.3c12353728cafp-1},
    {"sin", math::sin, 0x1.a5f416bc6ecc4p+29, 0x1.725daa8597a09p-3},
    {"sin", math::sin, 0x1.12e0be826d695p-30, 0x1.12e0be826d695p-30},
    {"sin", math::sin, -0x1.6340000000000p+9, -0x1.eafc65d3b2565p-2},
    {"cos", math::cos, 0x1.0000000000000p+0, 0x1.14a280fb5068cp-1},
    {"cos", math::cos, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54},
    {"cos", math::cos, 0x1.0f0cf064dd592p+73, 0x1.0be2cef01c8f4p-1},
    {"cos", math::cos, 0x1.6ac5b262ca1ffp+849, -0x1.14ae72e6ba22fp-61},
    {"cos", math::cos, 0x1.0000000200000p+30, 0x1.f904817b569bfp-1},
    {"cos", math::cos, 0x1.c991f9d7ad834p+28, 0x1.fb7f87db19272p-1},
    {"cos", math::cos, 0x1.7e43c8800759cp+996, -0x1.2699022adc4c1p-1},
    {"tanh", math::tanh, 0x1.12e0be826d695p-30, 0x1.12e0be826d695p-30},
    {"tanh", math::tanh, 0x1.999999999999ap-4, 0x1.983d7795f413ap-4},
    {"tanh", math::tanh, -0x1.199999999999ap-1, -0x1.00442f6419203p-1},
    {"tanh", math::tanh, 0x1.0000000000000p+0, 0x1.85efab514f394p-1},
    {"tanh", math::tanh, 0x1.4000000000000p+2, 0x1.fff419668df11p-1},
    {"tanh", math::tanh, -0x1.3000000000000p+4, -0x1.fffffffffffffp-1},
    {"erf", math::erf, 0x1.b7cdfd9d7bdbbp-34, 0x1.f044332d68161p-34},
    {"erf", math::erf, 0x1.3333333333333p-2, 0x1.50838881dea0fp-2},
    {"erf", math::erf, 0x1.0000000000000p-1, 0x1.0a7ef5c18edd2p-1},
    {"erf", math::erf, -0x1.ccccccccccccdp-1, -0x1.98045a6c8a2e6p-1},
    {"erf", math::erf, 0x1.0000000000000p+1, 0x1.fd9ae142795e3p-1},
    {"erf", math::erf, 0x1.6000000000000p+2, 0x1.fffffffffffbep-1},
    {"erfc", math::erfc, -0x1.8000000000000p+1, 0x1.fffe8d6209afdp+0},
    {"erfc", math::erfc, 0x1.0000000000000p-2, 0x1.728558ee694fcp-1},
    {"erfc", math::erfc, 0x1.0000000000000p-1, 0x1.eb02147ce245cp-2},
    {"erfc", math::erfc, 0x1.0000000000000p+0, 0x1.4226162fbddd5p-3},
    {"erfc", math::erfc, 0x1.4000000000000p+2, 0x1.b0c1a759f7739p-40},
    {"erfc", math::erfc, 0x1.4000000000000p+4, 0x1.b54f244df93dfp-583},
    {"erfc", math::erfc, 0x1.a800000000000p+4, 0x1.3df6725a60cf5p-1019},
};

struct Range {
  const char* name;
  double (*f)(double);
  long double (*reference)(long double);
  double low, high;
};
constexpr Range kRanges[] = {
    {"exp", math::exp, std::exp, -746, 710},    {"exp", math::exp, std::exp, -1, 1},
    {"exp", math::exp, std::exp, -745.2, -708}, {"expm1", math::expm1, std::expm1, -50, 710},
    {"expm1", math::expm1, std::expm1, -2, 2},  {"log", math::log, std::log, 0, 4},
    {"log", math::log, std::log, 0.999, 1.001}, {"log", math::log, std::log, 0, 1e-307},
    {"log1p", math::log1p, std::log1p, -1, 4},  {"log1p", math::log1p, std::log1p, -1e-15, 1e-15},
    {"sin", math::sin, std::sin, -10, 10},      {"sin", math::sin, std::sin, -1e9, 1e9},
    {"sin", math::sin, std::sin, 1e9, 1e18},    {"cos", math::cos, std::cos, -10, 10},
    {"cos", math::cos, std::cos, -1e9, 1e9},    {"cos", math::cos, std::cos, 1e9, 1e18},
    {"tanh", math::tanh, std::tanh, -25, 25},   {"tanh", math::tanh, std::tanh, -0.1, 0.1},
    {"erf", math::erf, std::erf, -7, 7},        {"erf", math::erf, std::erf, -0.6, 0.6},
    {"erfc", math::erfc, std::erfc, -7, 27.5},  {"erfc", math::erfc, std::erfc, -1, 1},
};

double any_double(Random& random) {
  const std::uint64_t high = random.next();
  return __builtin_bit_cast(double, high << 32 | random.next());
}

bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b)); }

}  // namespace

TEST_CASE("f64 functions at values known to 1400 bits") {
  for (const Known& k : kKnown) CHECK_MESSAGE(ulps(k.f(k.x), static_cast<long double>(k.y)) <= 2, k.name << "(" << k.x << ")");
}

TEST_CASE("f64 functions stay within 2 ULP") {
  if (std::numeric_limits<long double>::digits < 64) return;  // no better reference here
  Random random(random_key(1, 0, "math"));
  for (const Range& r : kRanges) {
    double worst = 0, at = 0;
    for (int i = 0; i < 60000; ++i) {
      const double fine = random.uniform() + random.uniform() * 0x1p-24;  // 48 random bits
      const double x = r.low + (r.high - r.low) * fine, error = ulps(r.f(x), r.reference(static_cast<long double>(x)));
      if (error > worst) worst = error, at = x;
    }
    CHECK_MESSAGE(worst <= 2, r.name << " is off by " << worst << " ULP at " << at);
  }
  for (const Range& r : kRanges) {  // any bit pattern: huge arguments, NaN, infinities
    double worst = 0, at = 0;
    for (int i = 0; i < 20000; ++i) {
      const double x = any_double(random), error = ulps(r.f(x), r.reference(static_cast<long double>(x)));
      if (error > worst) worst = error, at = x;
    }
    CHECK_MESSAGE(worst <= 2, r.name << " is off by " << worst << " ULP at " << at);
  }
}

TEST_CASE("pow within 2 ULP, and every special case of C") {
  constexpr double known[][3] = {
      {0x1.0000000000000p+1, 0x1.0000000000000p-1, 0x1.6a09e667f3bcdp+0},
      {0x1.4000000000000p+3, -0x1.8000000000000p+1, 0x1.0624dd2f1a9fcp-10},
      {0x1.000001ad7f29bp+0, 0x1.dcd6500000000p+29, 0x1.349445c228792p+144},
      {0x1.ccccccccccccdp-1, 0x1.7700000000000p+12, 0x1.f97485fa57010p-913},
      {0x0.012688b70e62bp-1022, 0x1.6666666666666p-1, 0x1.1a66c1e139f6fp-721},
      {0x1.8000000000000p+0, -0x1.a900000000000p+10, 0x1.7a651722e2c13p-995},
      {-0x1.8000000000000p+1, 0x1.4000000000000p+2, -0x1.e600000000000p+7},
      {-0x1.0000000000000p+1, -0x1.0000000000000p+1, 0x1.0000000000000p-2},
      {0x1.38d352e5096afp+498, 0x1.0666666666666p+1, 0x1.68423588e3a5bp+1021},
  };
  for (const auto& k : known) CHECK(ulps(math::pow(k[0], k[1]), static_cast<long double>(k[2])) <= 2);
  Random random(random_key(2, 0, "math"));
  double worst = 0;
  for (int i = 0; i < 200000 && std::numeric_limits<long double>::digits >= 64; ++i) {
    const double x = i % 2 ? any_double(random) : 4 * random.uniform(),
                 y = i % 3 ? 1600 * random.uniform() - 800 : any_double(random);
    worst = std::fmax(worst, ulps(math::pow(x, y), std::pow(static_cast<long double>(x), static_cast<long double>(y))));
  }
  CHECK(worst <= 2);
  const double values[] = {0.0,  -0.0,  1,    -1,    2,      -2,         3,      -3,         0.5,    -0.5,
                           kInf, -kInf, kNaN, kTiny, -kTiny, 0x1p52 + 1, 0x1p53, 0x1p53 + 2, -0x1p53};
  for (const double x : values)
    for (const double y : values) {
      const double expected = std::pow(x, y), found = math::pow(x, y);
      const bool exact = expected == 0 || std::isinf(expected) || std::isnan(expected) || std::fabs(expected) == 1;
      CHECK_MESSAGE((exact ? same(found, expected) : ulps(found, static_cast<long double>(expected)) <= 2),
                    "pow(" << x << ", " << y << ")");
    }
}

TEST_CASE("special values of f64 functions") {
  CHECK(same(math::exp(0.0), 1));
  CHECK(same(math::exp(-kInf), 0));
  CHECK(math::exp(kInf) == kInf);
  CHECK(math::exp(709.782712893384) < kInf);
  CHECK(math::exp(709.7827128933841) == kInf);
  CHECK(math::exp(-745.1332191019411) == kTiny);
  CHECK(math::exp(-745.1332191019412) == 0);
  CHECK(same(math::expm1(-0.0), -0.0));
  CHECK(same(math::expm1(-kInf), -1));
  CHECK(math::expm1(kInf) == kInf);
  CHECK(math::log(0.0) == -kInf);
  CHECK(math::log(-0.0) == -kInf);
  CHECK(same(math::log(1.0), 0));
  CHECK(std::isnan(math::log(-kTiny)));
  CHECK(math::log(kInf) == kInf);
  CHECK(same(math::log1p(-0.0), -0.0));
  CHECK(math::log1p(-1) == -kInf);
  CHECK(std::isnan(math::log1p(-1.0000000000000002)));
  CHECK(same(math::sin(-0.0), -0.0));
  CHECK(same(math::cos(0.0), 1));
  CHECK(std::isnan(math::sin(kInf)));
  CHECK(std::isnan(math::cos(-kInf)));
  CHECK(same(math::tanh(-0.0), -0.0));
  CHECK(same(math::tanh(-kInf), -1));
  CHECK(same(math::erf(-0.0), -0.0));
  CHECK(same(math::erf(-kInf), -1));
  CHECK(same(math::erfc(-kInf), 2));
  CHECK(same(math::erfc(kInf), 0));
  CHECK(same(math::erfc(0.0), 1));
  using Function = double (*)(double);
  const Function all[] = {math::exp, math::expm1, math::log, math::log1p, math::sin,
                          math::cos, math::tanh,  math::erf, math::erfc,  math::floor};
  for (const Function f : all) CHECK(std::isnan(f(kNaN)));
  for (const double x : {0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.999, -2.999, 0x1p52 - 0.5, -0x1p52 + 0.5, 0x1p60, -0x1p60, kInf, -kInf,
                         kNaN, kTiny, -kTiny})
    CHECK(same(math::floor(x), std::floor(x)));
}

TEST_CASE("f32 functions: limits and special values (tests/conformance measures all inputs)") {
  const float inf = INFINITY, nan = NAN;
  CHECK(math::exp(-87.33655f) == 0);
  CHECK(math::exp(-87.33654f) > 0);
  CHECK(math::exp(88.72283f) > 3.4e38f);
  CHECK(math::exp(88.72284f) == inf);
  CHECK(math::exp(-inf) == 0);
  CHECK(math::log(0.0f) == -inf);
  CHECK(math::log(-0.0f) == -inf);
  CHECK(std::isnan(math::log(-1.0f)));
  CHECK(math::log(inf) == inf);
  CHECK(math::log(1.0f) == 0);
  CHECK(std::fabs(math::log(1e-45f) + 103.2789f) < 1e-3f);
  CHECK(std::signbit(math::tanh(-0.0f)));
  CHECK(math::tanh(-inf) == -1);
  CHECK(math::erf(inf) == 1);
  CHECK(math::sin(0.5f) == static_cast<float>(std::sin(0.5)));
  CHECK(math::pow(2.0f, -149.0f) == std::numeric_limits<float>::denorm_min());
  // A payload must not be mistaken for an exponent.
  const float payload = __builtin_bit_cast(float, 0x7fc12345u);
  using Function = float (*)(float);
  const Function all[] = {math::exp, math::log, math::tanh, math::erf, math::sin, math::cos, math::floor};
  for (const Function f : all) {
    CHECK(std::isnan(f(nan)));
    CHECK(std::isnan(f(payload)));
    CHECK(std::isnan(f(-payload)));
  }
}

}  // namespace lathe::test
