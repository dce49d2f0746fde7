#include <saha/c_api.h>

#include <cstring>
#include <thread>

#include "tests/api/api_testing.hpp"

namespace saha {
namespace {
struct Opened {
  saha_session* session = nullptr;
  saha_context* context = nullptr;
  explicit Opened(std::int64_t n) {
    std::string text = api_testing::bytes_of(api_testing::classifier(n));
    EXPECT_EQ(saha_session_from_bytes(text.data(), text.size(), nullptr, &session), SAHA_OK) << saha_last_error();
    EXPECT_EQ(saha_context_create(session, &context), SAHA_OK) << saha_last_error();
  }
  ~Opened() {
    saha_context_free(context);
    saha_session_free(session);
  }
};

TEST(CApi, runs_and_copies_the_result) {
  Opened o(-1);
  float x[8] = {1, 2, 3, 4, -1, 0, 2, 5}, y[6] = {};
  ASSERT_EQ(saha_set_input(o.context, "image", x, sizeof x), SAHA_OK) << saha_last_error();
  ASSERT_EQ(saha_run(o.context), SAHA_OK) << saha_last_error();
  int64_t dims[4] = {};
  size_t rank = 0, bytes = 0;
  ASSERT_EQ(saha_output_dims(o.context, "score", dims, 4, &rank), SAHA_OK);
  EXPECT_EQ(rank, 2u);
  EXPECT_EQ(dims[0], 2);
  EXPECT_EQ(dims[1], 3);
  ASSERT_EQ(saha_copy_output(o.context, "score", y, sizeof y), SAHA_OK) << saha_last_error();
  EXPECT_NEAR(y[0] + y[1] + y[2], 1, 1e-5);
  const void* view = nullptr;
  ASSERT_EQ(saha_get_output(o.context, "score", &view, &bytes), SAHA_OK);
  ASSERT_EQ(bytes, sizeof y);
  EXPECT_EQ(std::memcmp(view, y, bytes), 0);
}

TEST(CApi, lists_inputs_and_outputs) {
  Opened o(-1);
  ASSERT_EQ(saha_num_inputs(o.session), 1u);
  ASSERT_EQ(saha_num_outputs(o.session), 1u);
  saha_value_info info{};
  ASSERT_EQ(saha_input_info(o.session, 0, &info), SAHA_OK);
  EXPECT_STREQ(info.name, "image");
  EXPECT_EQ(info.dtype, SAHA_FLOAT32);
  ASSERT_EQ(info.rank, 2);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_EQ(info.dims[1], 4);
  EXPECT_STREQ(info.text, "float32[N, 4]");
  EXPECT_EQ(saha_output_info(o.session, 1, &info), SAHA_INVALID_ARGUMENT);
  EXPECT_STREQ(saha_last_error(), "the model has 1 outputs, number 1 was asked for");
}

TEST(CApi, says_what_is_wrong_per_thread_until_the_next_call) {
  Opened o(1);
  float x[4] = {};
  EXPECT_EQ(saha_set_input(o.context, "image", x, 12), SAHA_INVALID_ARGUMENT);
  std::string said = saha_last_error(), other = "x";
  EXPECT_EQ(said, "input 'image' takes float32[1, 4], 3 elements were given, 4 are needed");
  std::thread([&] { other = saha_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_EQ(saha_set_input(o.context, "image", x, 16), SAHA_OK);
  EXPECT_STREQ(saha_last_error(), "");
  ASSERT_EQ(saha_run(o.context), SAHA_OK);
  float y[4];
  EXPECT_EQ(saha_copy_output(o.context, "score", y, sizeof y), SAHA_INVALID_ARGUMENT);
  EXPECT_STREQ(saha_last_error(), "output 'score' has 12 bytes, there is room for 16");
  saha_session* none = o.session;
  EXPECT_EQ(saha_session_open("no/such.onnx", nullptr, &none), SAHA_IO);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(std::string(saha_last_error()).find("no/such.onnx"), std::string::npos);
  EXPECT_STREQ(saha_status_name(SAHA_IO), "io");
}

TEST(CApi, takes_null) {
  saha_session_free(nullptr);
  saha_context_free(nullptr);
  EXPECT_EQ(saha_num_inputs(nullptr), 0u);
  EXPECT_EQ(saha_run(nullptr), SAHA_INVALID_ARGUMENT);
  EXPECT_STREQ(saha_last_error(), "context is NULL");
  EXPECT_EQ(saha_session_open(nullptr, nullptr, nullptr), SAHA_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace saha
