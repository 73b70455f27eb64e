// Ten lines: a small network learns to tell the inside of a circle from its outside.
#include <cstdio>

#include "fuselage/fuselage.h"

int main() {
  fuselage::Array points(fuselage::DType::f32, {2500, 2}), inside(fuselage::DType::i32, {2500});
  for (std::size_t i = 0; i < 2500; ++i) {
    const float x = float(i % 50) / 25 - 1, y = float(i / 50) / 25 - 1;
    points.as<float>()[2 * i] = x, points.as<float>()[2 * i + 1] = y;
    inside.as<std::int32_t>()[i] = x * x + y * y < 0.6f;
  }
  const auto backend = fuselage::make_backend("auto");
  const fuselage::Dataset data(points, inside);
  fuselage::Trainer trainer(*backend, {2, {{32, "relu"}, 2}}, "softmax_cross_entropy", "adam:lr=1e-2", "cosine",
                            {"accuracy"});
  trainer.fit(data, {.epochs = 20, .batch_size = 50});
  const fuselage::Scores scores = trainer.evaluate(data);
  std::printf("loss %.4f, accuracy %.4f\n", scores.loss, scores.metrics[0]);
  return scores.metrics[0] > 0.97 ? 0 : 1;
}
