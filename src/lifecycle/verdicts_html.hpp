#pragma once
// Verdicts on requirements as parts of a page, of the life cycle's report and of `saha validate --report F.html` alike.
#include <string>

#include "lifecycle/store.hpp"

namespace saha::lifecycle {

/// Of outcomes as Candidate::json() and validate::json() have them, each with "severity", "assert", "why" and "words": a table, pictures and numbers of what fails, what proofs went
/// through, and what corruptions do by severity. What was not judged has no "verdict".
std::string verdicts_html(const std::string& caption, const Json& outcomes);
/// Slices in which a model fails more often than elsewhere ("mistakes"."weak_slices" of a report); "" where there are none.
std::string weak_slices_html(const Json& weak);
/// The page of `saha validate`: `validation` is validate::json()'s object whose requirements have "words" too, `weak` as above or null, `repro` the command line.
std::string validation_html(const std::string& title, const Json& validation, const Json& weak, const std::string& repro);

}  // namespace saha::lifecycle
