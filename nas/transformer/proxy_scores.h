// Zero-cost scores: what an untrained network says about itself, from one batch at most. Greater is better, so they say.
//
// They are a coarse filter, to be trusted only after a calibration (calibration.h). On 500 trained BERT-like models Kendall's τ
// with the GLUE score was 0.45 for the number of parameters, 0.48 for head confidence, 0.19 and 0.16 for synaptic saliency and
// diversity, −0.04 for the Jacobian score, and within the best fifth no |τ| was above 0.10 (data of Serianni & Kalita 2023).
// docs/search.md has lathe's own measurements.
//
// θ: weights at initialisation. L: mean cross entropy of the batch, without dropout. "Linear weights": the matrices of
// attention.qkv, attention.out, ffn.in, ffn.out, pooler and classifier; no embeddings, norms or biases. Gradients are f32 as in
// training, everything after them is f64 in one fixed order: equal input gives equal bits on every machine.
//
//   params           number of all parameters
//   synflow          log Σ |θ ⊙ ∂R/∂θ| over linear weights, R = Σ logits of a network in which every θ is |θ|, biases and norms are
//                    bypassed, activations are the identity (all is positive) and the input is one token whose embedding is ones,
//                    so that attention passes v on (Tanaka et al. 2020). The logarithm keeps order and range; f64 throughout
//   grad_norm        Σ ‖∂L/∂W‖₂ over linear weights (Abdelfattah et al. 2021)
//   snip             Σ |W ⊙ ∂L/∂W| over linear weights (Lee et al. 2019)
//   jacobian         −Σᵢ [log(λᵢ + k) + 1/(λᵢ + k)], k = 1e-5; λ: eigenvalues of the correlation matrix of the rows Jₙ = ∂ Σ logits
//                    of text n / ∂ its token embeddings, zero behind its end (Mellor et al. 2020, arXiv 2006.04647v1)
//   saliency         Σ |W ⊙ ∂L/∂W| over ffn.in and ffn.out: the MLP part of DSS (Zhou et al. 2022)
//   diversity        Σ ‖∂L/∂W‖* · ‖W‖* over attention.qkv (one matrix, as in DSS's program) and attention.out: the attention part
//                    of DSS; ‖·‖*: nuclear norm. Of L, where DSS takes a constant input
//   head_confidence  Σ over layers of the mean, over heads and queries, of the largest attention weight. A head's confidence is
//   that
//                    of Voita et al. 2019; summing layers follows Serianni & Kalita 2023, so that it grows with depth
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nn/transformer.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace lathe::nas {

enum class ProxyScore { params, synflow, grad_norm, snip, jacobian, saliency, diversity, head_confidence };
const char* name_of(ProxyScore score);
ProxyScore proxy_score_kind(std::string_view name);  ///< InputError with the nearest name
std::span<const ProxyScore> proxy_scores();          ///< all

/// The score of a network with the weights that it has; `rows`: the whole batch. Gradients of `model` are not touched.
/// NonFiniteError, naming the score, if it is no finite number (weights that overflow; jacobian: a text whose Jacobian does not
/// vary). InputError: no rows where the score reads them; labels, ids or lengths beyond the model's.
double proxy_score(ProxyScore score, nn::Classifier& model, const data::EncodedDataset& rows);

/// FLOPs of that: passes of the batch as counted by nn/cost.h, singular values by singular_value_flops().
std::int64_t proxy_score_flops(ProxyScore score, const nn::TransformerConfig& architecture, const data::EncodedDataset& rows);

}  // namespace lathe::nas
