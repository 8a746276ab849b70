// Parzen estimators: mixtures of products of truncated normals and categorical rows, as in tpe@optuna-5.0.
//
// One kernel per observation, weighted, and one prior kernel. In a dimension with layout range R and m observations, in order of
// their layout (equal ones by trial number):
//   μ = the observation, σ = max(gap to the left, gap to the right); the borders of the range are neighbours, but with two or more
//   observations the outermost ones take their inner gap alone; σ into [R / min(100, m + 2), R]. Prior: μ = middle, σ = R.
//   continuous: N(μ, σ) cut to the range. Stepped: its mass over the cell, divided by its mass over the range.
//   categorical, C choices: 1/(m+1) everywhere, + 1 at the observed choice, divided by the sum; prior 1/C.
// Weights: 1 each for m < 25; else ramp from 1/m to 1 over the m − 25 oldest, 1 for the newest 25; prior 1; divided by their sum.
//
// Densities of layouts, not of values: the Jacobian of a logarithm is the same in two mixtures and drops out of their ratio.
// Source: Bergstra et al., NeurIPS 2011; Watanabe, arXiv:2304.11127; the constants are those of Optuna 5.0.
#pragma once
#include <lathe/nas/normal.h>
#include <lathe/nas/sampler/ledger.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::nas {

/// A function of two numbers, remembered: stepped ranges ask for the same masses Φ(b) − Φ(a) again and again.
class MassCache {
 public:
  using Mass = double (*)(double a, double b);
  explicit MassCache(Mass mass) : mass_(mass), entries_(kSize) {}
  double operator()(double a, double b);

 private:
  static constexpr std::size_t kSize = 1 << 13;
  struct Entry {
    double a = 0, b = 0, value = 0;
    bool used = false;
  };
  Mass mass_;
  std::vector<Entry> entries_;
};

enum class Side : std::uint8_t { none, below, above };

/// Where a candidate lies in one dimension.
struct Place {
  double x = 0;     ///< coordinate
  double mu = 0;    ///< layout
  double left = 0;  ///< stepped: layout of the borders of its cell; else mu
  double right = 0;
};
Place place_of(const Axis& axis, double coordinate);

/// Kernels of one dimension; index = kernel, the prior last.
struct Kernels {
  const Axis* axis = nullptr;
  std::vector<double> mu;  ///< categorical: the index
  std::vector<double> sigma, inverse;
  std::vector<double> norm;  ///< continuous: log(mass in the range · σ · √2π); stepped: log mass in the range
  double match = 0, mismatch = 0,
         uniform = 0;  ///< categorical: log probabilities of a kernel's own and other choices, of the prior
  double peak = 0;     ///< no kernel's log density is above it

  double log_density(std::size_t kernel, const Place& place, MassCache& cache) const;
  /// Nothing below log_density(), and cheap.
  double bound(std::size_t kernel, const Place& place) const;
};

class ParzenMixture {
 public:
  std::vector<Kernels> dimensions;
  std::vector<double> log_weight;  ///< by kernel
  std::vector<double> cumulative;  ///< of the weights

  std::size_t kernels() const { return log_weight.size(); }
  /// Takes over weights that need not sum to 1.
  void set_weights(std::span<const double> weights);
  /// log Σ w Π density. Kernels below e^-40 of the prior kernel are left out: less than 1e-14 of the sum for 1,000 kernels.
  double log_density(std::span<const Place> places, MassCache& cache);
  /// The kernel at a uniform number in [0, 1).
  std::size_t pick(double uniform) const;

 private:
  double remaining_peak(std::size_t from) const;
  std::vector<std::uint32_t> alive_;
  std::vector<double> partial_, values_;
};

/// The mixture of one dimension, laid out for its density: kernels by μ, so that only those within 10 σ of a cell are looked at,
/// equal ones of a stepped range as one, categorical ones as a table. What is left out is less than 1e-12 of the sum.
class ParzenLine {
 public:
  double log_density(const Place& place, MassCache& cache) const;

 private:
  friend class ParzenBuilder;
  struct Group {
    std::vector<double> mu, inverse, factor;  // factor: weight / (normalisation of the kernel)
    void add(double m, double i, double f);
  };
  double sum(const Group& group, std::size_t from, std::size_t to, const Place& place, MassCache& cache) const;
  const Axis* axis_ = nullptr;
  Group narrow_, wide_;  // narrow: of the smallest σ, ascending in μ
  double smallest_ = 0;
  std::vector<double> choices_;  // log densities
};

/// Weights of m observations by age, oldest first, and 1 for the prior (m + 1 numbers).
std::vector<double> age_weights(std::size_t observations);

/// Builds the mixtures of both sides in one walk over the sorted columns. Remembers the normalisation of each observation while its
/// σ stays the same.
class ParzenBuilder {
 public:
  explicit ParzenBuilder(const Ledger& ledger);
  /// `sides`: by trial number. Only trials that have all of `axes` count. `equal_below`: all weights below are 1 (several
  /// objectives).
  void build(const std::vector<Side>& sides, const std::vector<std::size_t>& axes, bool equal_below, ParzenMixture& below,
             ParzenMixture& above);
  /// The same for one parameter: besides what candidates are drawn from, the densities of both sides.
  void build_line(const std::vector<Side>& sides, std::size_t axis, bool equal_below, ParzenMixture& below, ParzenLine& below_line,
                  ParzenLine& above_line);
  MassCache& masses() { return masses_; }          ///< normal_mass, for ParzenLine
  MassCache& log_masses() { return log_masses_; }  ///< log_normal_mass, for ParzenMixture

 private:
  struct Memory {
    std::vector<double> sigma, inverse, norm, factor;  // by trial: 1/σ, Kernels::norm, e^−norm; σ of 0: nothing known
  };
  struct Counts {
    std::size_t below = 0, above = 0;
  };
  Counts place_trials(const std::vector<Side>& sides, const std::vector<std::size_t>& axes);
  template <class Put>
  void walk(std::size_t axis, Side side, std::size_t observations, const Put& put);
  void fill_line(std::size_t axis, Side side, std::span<const double> weights, ParzenLine& line);
  void fill(std::size_t axis, Side side, std::size_t observations, Kernels& kernels);
  void fill_numbers(std::size_t axis, Side side, std::size_t observations, Kernels& kernels);
  double norm(const Axis& axis, double mu, double sigma) const;

  const Ledger& ledger_;
  MassCache masses_{normal_mass}, log_masses_{log_normal_mass};
  std::vector<Memory> memory_[2];     // by side, by axis
  std::vector<std::uint32_t> index_;  // by trial: kernel within its side
  std::vector<Side> here_;
};

}  // namespace lathe::nas
