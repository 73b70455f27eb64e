// Losses of one's own on the device of this build: the CPU's bits, for every type, layout and option.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "fuselage/core/rng.h"
#include "tests/cases/custom_losses.h"
#include "tests/support/device.h"

namespace fuselage {
namespace {

/// How a pass differs from the plain one.
struct Option {
  DType type;
  bool weight, mask, strided, in_place, none, ignore;
  std::string text() const {
    return std::string(name_of(type)) + (weight ? " weight" : "") + (mask ? " mask" : "") +
           (strided ? " strided" : "") + (in_place ? " in place" : "") + (none ? " none" : "") +
           (ignore ? " ignore" : "");
  }
};

std::vector<Option> options() {
  std::vector<Option> list;
  for (const DType type : {DType::f32, DType::bf16, DType::f16})
    for (const unsigned bits : {0u, 1u, 2u, 4u, 8u, 16u, 32u, 63u, 21u, 42u})
      list.push_back({type, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0,
                      (bits & 32) != 0});
  return list;
}

float number(std::uint32_t array, std::int64_t i) {
  if (array == 0 && i % 97 == 41) return i % 2 ? __builtin_inff() : __builtin_nanf("");
  if (array == 2 && i % 89 == 7) return -1;  // a bad label for some
  const auto word = random_word64(11, static_cast<std::uint64_t>(i), stream_of(RandomUse::synthetic, array), 1);
  const auto x = static_cast<float>(4 * uniform_double(word));
  return array < 2 ? x - 2 : x;
}

template <class T>
std::vector<T> numbers(std::uint32_t array, std::int64_t n) {
  std::vector<T> list;
  for (std::int64_t i = 0; i < n; ++i) list.push_back(from_float<T>(number(array, i)));
  return list;
}

template <class T>
Buffer upload(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, values.size() * sizeof(T));
  backend.copy(buffer.data(), values.data(), buffer.bytes());
  return buffer;
}

/// Reports and arrays as bytes, in one piece.
std::vector<unsigned char> download(Backend& backend, const Buffer& report, const std::vector<const Buffer*>& arrays) {
  std::size_t bytes = offsetof(LossReport, rejected) + sizeof(bool), at = 0;
  for (const Buffer* array : arrays) bytes += array->bytes();
  std::vector<unsigned char> out(bytes);
  const auto copy = [&](const Buffer& b, std::size_t size) {
    backend.copy(out.data() + at, b.data(), size);
    at += size;
  };
  copy(report, offsetof(LossReport, rejected) + sizeof(bool));
  for (const Buffer* array : arrays) copy(*array, array->bytes());
  backend.synchronize();
  return out;
}

template <class T>
std::vector<unsigned char> run(Backend& backend, const CustomLoss& loss, std::int64_t rows, std::int64_t cols,
                               const Option& o) {
  const std::int64_t stride = cols + (o.strided ? 3 : 0), n = rows * stride;
  std::vector<std::uint8_t> kept;
  for (std::int64_t i = 0; i < n; ++i) kept.push_back(i % 5 != 2);
  const Buffer y = upload(backend, numbers<T>(0, n)), z = upload(backend, numbers<T>(1, n)),
               t = upload(backend, numbers<T>(2, n)), w = upload(backend, numbers<float>(3, n)),
               m = upload(backend, kept), gy = upload(backend, std::vector<T>(static_cast<std::size_t>(n))),
               gz = upload(backend, std::vector<T>(static_cast<std::size_t>(n))),
               values = upload(backend, std::vector<float>(static_cast<std::size_t>(n))),
               report = upload(backend, std::vector<LossReport>(1));
  const auto view = [&](const Buffer& b) { return View(b.data(), dtype_of<T>(), rows, cols, stride); };
  LossBatch b;
  b.prediction = view(y);
  b.target = view(t);
  b.gradient = o.in_place ? view(y) : view(gy);
  if (loss.traits().inputs.count() == 2) {
    b.second = view(z);
    b.second_gradient = view(gz);
  }
  if (o.weight) b.weight = ConstView(w.as<float>(), rows, cols);
  if (o.mask) b.mask = ConstView(m.as<std::uint8_t>(), rows, cols);
  if (o.none) {
    b.reduction = Reduction::none;
    b.values = View(values.as<float>(), rows, cols);
    b.upstream = ConstView(w.as<float>(), rows, cols);
  }
  if (o.ignore) b.bad_labels = BadLabels::ignore;
  b.metrics.errors = b.metrics.targets = true;
  b.metrics.accuracy = loss.traits().decides();
  b.scale = 64;
  backend.loss(loss, b, report.as<LossReport>());
  return download(backend, report, {&y, &gy, &gz, &values});
}

class DeviceCustomLoss : public test::DeviceTest {
 protected:
  std::unique_ptr<Backend> device_ = usable() ? make_backend(cuda_device_name()) : nullptr;
  std::unique_ptr<Backend> cpu_ = make_cpu_backend({1, {}});
};

TEST_F(DeviceCustomLoss, HasTheBitsOfTheCpu) {
  const std::vector<CustomLoss> losses = cases::device_losses();
  ASSERT_FALSE(losses.empty());
  for (const CustomLoss& loss : losses)
    for (const Option& o : options())
      for (const auto& [rows, cols] : {std::pair{1, 1}, {37, 9}, {3, 1500}}) {
        if (o.none && loss.traits().root) continue;
        if (o.type != DType::f32 && rows == 3) continue;
        ASSERT_TRUE(loss.has_kernel());
        dispatch(o.type, [&]<class T>() {
          EXPECT_TRUE(run<T>(*device_, loss, rows, cols, o) == run<T>(*cpu_, loss, rows, cols, o))
              << loss.name() << ", " << rows << " x " << cols << ", " << o.text();
        });
      }
}

/// A library's definition as a loss of one's own, from this file that no nvcc compiles.
TEST_F(DeviceCustomLoss, WithoutAKernelIsRefusedInWords) {
  const CustomLoss loss = custom_loss(loss::Mse{}, "plain");
  ASSERT_FALSE(loss.has_kernel());
  const Buffer y = upload(*device_, numbers<float>(3, 12)), report = upload(*device_, std::vector<LossReport>(1));
  LossBatch b;
  b.prediction = b.target = ConstView(y.as<float>(), 12);
  try {
    device_->loss(loss, b, report.as<LossReport>());
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "loss \"plain\": compiled without nvcc, so it runs on the CPU alone");
  }
}

}  // namespace
}  // namespace fuselage
