#pragma once
// The part of ONNX Runtime's C interface that saha calls, declared from its binary form: OrtApiBase gives a table of function pointers whose
// order never changes (functions are only appended), so a place in the table and a signature are all there is to a function.
// Source: the public order of OrtApi in onnxruntime_c_api.h (API version 17); tests/backends calls every entry.
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace saha::ort {

// Opaque handles.
struct Status;
struct Env;
struct SessionOptions;
struct Session;
struct RunOptions;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;
struct IoBinding;
struct Allocator;
struct SequenceInfo;
struct MapInfo;
struct OptionalInfo;

/// OrtApiBase, what the exported OrtGetApiBase() returns.
struct ApiBase {
  const void* const* (*get_api)(std::uint32_t version);
  const char* (*version)();
};
inline constexpr std::uint32_t kApiVersion = 17;

enum LoggingLevel : int { kFatal = 4 };
enum ExecutionMode : int { kSequential = 0 };
enum OptimizationLevel : int { kEnableAll = 99 };
enum AllocatorKind : int { kArenaAllocator = 1 };
enum MemoryKind : int { kDefaultMemory = 0 };
/// ONNXType
enum ValueKind : int { kUnknownKind = 0, kTensor = 1, kSequence = 2, kMap = 3, kOpaque = 4, kSparse = 5, kOptional = 6 };

/// A function of the table by its place.
template <class Signature> struct Slot { std::size_t place; };

// clang-format off
inline constexpr Slot<const char*(const Status*)> kGetErrorMessage{2};
inline constexpr Slot<Status*(int level, const char* id, Env** out)> kCreateEnv{3};
inline constexpr Slot<Status*(const Env*)> kDisableTelemetry{6};
inline constexpr Slot<Status*(const Env*, const char* file, const SessionOptions*, Session** out)> kCreateSession{7};
inline constexpr Slot<Status*(const Env*, const void* data, std::size_t size, const SessionOptions*, Session** out)> kCreateSessionFromArray{8};
inline constexpr Slot<Status*(Session*, const RunOptions*, const char* const* in_names, const Value* const* in, std::size_t num_in, const char* const* out_names, std::size_t num_out, Value** out)> kRun{9};
inline constexpr Slot<Status*(SessionOptions** out)> kCreateSessionOptions{10};
inline constexpr Slot<Status*(SessionOptions*, const char* file)> kWriteOptimizedModel{11};
inline constexpr Slot<Status*(SessionOptions*, int mode)> kSetExecutionMode{13};
inline constexpr Slot<Status*(SessionOptions*, const char* prefix)> kEnableProfiling{14};
inline constexpr Slot<Status*(SessionOptions*, int level)> kSetLogSeverity{22};
inline constexpr Slot<Status*(SessionOptions*, int level)> kSetOptimizationLevel{23};
inline constexpr Slot<Status*(SessionOptions*, int threads)> kSetIntraThreads{24};
inline constexpr Slot<Status*(SessionOptions*, int threads)> kSetInterThreads{25};
inline constexpr Slot<Status*(const Session*, std::size_t* out)> kInputCount{30};
inline constexpr Slot<Status*(const Session*, std::size_t* out)> kOutputCount{31};
inline constexpr Slot<Status*(const Session*, std::size_t i, TypeInfo** out)> kInputType{33};
inline constexpr Slot<Status*(const Session*, std::size_t i, TypeInfo** out)> kOutputType{34};
inline constexpr Slot<Status*(const Session*, std::size_t i, Allocator*, char** out)> kInputName{36};
inline constexpr Slot<Status*(const Session*, std::size_t i, Allocator*, char** out)> kOutputName{37};
inline constexpr Slot<Status*(Allocator*, const std::int64_t* dims, std::size_t rank, int type, Value** out)> kCreateTensor{48};
inline constexpr Slot<Status*(const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* dims, std::size_t rank, int type, Value** out)> kCreateTensorOver{49};
inline constexpr Slot<Status*(Value*, void** out)> kTensorData{51};
inline constexpr Slot<Status*(Value*, const char* const* text, std::size_t n)> kFillStrings{52};
inline constexpr Slot<Status*(const Value*, std::size_t* bytes)> kStringsLength{53};
inline constexpr Slot<Status*(const Value*, void* text, std::size_t bytes, std::size_t* offsets, std::size_t n)> kStringsContent{54};
inline constexpr Slot<Status*(const TypeInfo*, const TensorInfo** out)> kAsTensorInfo{55};  // borrowed; null for another kind
inline constexpr Slot<Status*(const TypeInfo*, int* out)> kKindOfType{56};
inline constexpr Slot<Status*(const TensorInfo*, int* out)> kElementType{60};
inline constexpr Slot<Status*(const TensorInfo*, std::size_t* out)> kRank{61};
inline constexpr Slot<Status*(const TensorInfo*, std::int64_t* dims, std::size_t rank)> kDims{62};
inline constexpr Slot<Status*(const TensorInfo*, const char** names, std::size_t rank)> kDimNames{63};
inline constexpr Slot<Status*(const Value*, TensorInfo** out)> kTensorInfo{65};
inline constexpr Slot<Status*(const Value*, int* out)> kKindOfValue{67};
inline constexpr Slot<Status*(int allocator, int kind, MemoryInfo** out)> kCreateCpuMemoryInfo{69};
inline constexpr Slot<Status*(Allocator*, void*)> kFree{76};
inline constexpr Slot<Status*(Allocator** out)> kDefaultAllocator{78};  // borrowed
inline constexpr Slot<Status*(const Value*, int i, Allocator*, Value** out)> kItem{80};
inline constexpr Slot<Status*(const Value*, std::size_t* out)> kItemCount{81};
inline constexpr Slot<Status*(const Value* const* items, std::size_t n, int kind, Value** out)> kCreateValue{82};
inline constexpr Slot<void(Env*)> kReleaseEnv{92};
inline constexpr Slot<void(Status*)> kReleaseStatus{93};
inline constexpr Slot<void(MemoryInfo*)> kReleaseMemoryInfo{94};
inline constexpr Slot<void(Session*)> kReleaseSession{95};
inline constexpr Slot<void(Value*)> kReleaseValue{96};
inline constexpr Slot<void(TypeInfo*)> kReleaseTypeInfo{98};
inline constexpr Slot<void(TensorInfo*)> kReleaseTensorInfo{99};
inline constexpr Slot<void(SessionOptions*)> kReleaseSessionOptions{100};
inline constexpr Slot<Status*(Session*, Allocator*, char** file)> kEndProfiling{110};
inline constexpr Slot<Status*(SessionOptions*, const char* key, const char* value)> kSetEntry{130};
inline constexpr Slot<Status*(Session*, const RunOptions*, const IoBinding*)> kRunBound{133};
inline constexpr Slot<Status*(Session*, IoBinding** out)> kCreateIoBinding{134};
inline constexpr Slot<void(IoBinding*)> kReleaseIoBinding{135};
inline constexpr Slot<Status*(IoBinding*, const char* name, const Value*)> kBindInput{136};
inline constexpr Slot<Status*(IoBinding*, const char* name, const MemoryInfo*)> kBindOutputToDevice{138};
inline constexpr Slot<Status*(const Value*, int* out)> kHasValue{192};
inline constexpr Slot<Status*(const TypeInfo*, const OptionalInfo** out)> kAsOptionalInfo{250};  // borrowed
inline constexpr Slot<Status*(const OptionalInfo*, TypeInfo** out)> kOptionalElement{251};
// clang-format on

/// The table of a loaded library.
class Api {
 public:
  explicit Api(const void* const* table) : table_(table) {}
  template <class R, class... P> R operator()(Slot<R(P...)> slot, std::type_identity_t<P>... arguments) const {
    return reinterpret_cast<R (*)(P...)>(const_cast<void*>(table_[slot.place]))(arguments...);
  }

 private:
  const void* const* table_;
};

}  // namespace saha::ort
