#pragma once
// Own metrics: figures that the user's own code computes from what a model says about a data set (`evaluate` in saha.yaml).
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/config.hpp"

namespace saha::lifecycle {

/// Each metric by name. A Python function is called as f(outputs: dict of arrays [N, ...], labels: array [N]); a command gets {outputs} (.npz)
/// and {labels} (.npy) and prints {"value": .., "per_sample": [..]}. Each runs in its folder. Fails naming the metric and its last line.
Result<std::map<std::string, validate::Metric>> own_metrics(const std::vector<OwnMetric>& metrics, const Answers& answers, const data::Dataset& data,
                                                            const std::function<bool()>& stop);

}  // namespace saha::lifecycle
