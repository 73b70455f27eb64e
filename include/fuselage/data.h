// Data: the file formats fuselage reads and writes, the Dataset that a trainer draws from, its shuffle and its loader.
//
// Files are treated as hostile: a header is compared with the file's size before anything is allocated, and whatever is
// truncated, oversized, contradictory or not supported gives one Error(format) (or Error(io) when the system refuses)
// that names the file, the byte offset or the line and column, what was expected and what was found. Files that are
// written appear under their name complete and synced, or not at all.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuselage/array.h"

namespace fuselage {

// ---- IDX (the format of MNIST and its kin) --------------------------------------------------------------------------

/// Reads an IDX file, plain or gzip (told apart by content): u8, i8, i16, i32, fp32 or fp64, rank 1 to 8.
Array read_idx(const std::filesystem::path& path);
/// Writes a plain IDX file; extents must be below 2^32. bf16, fp16 and i64 are refused: the format has no such types.
void write_idx(const std::filesystem::path& path, const Array& array);

// ---- npy (NumPy) ----------------------------------------------------------------------------------------------------

/// Reads a .npy file of version 1, 2 or 3, either byte order; Fortran order is transposed into row-major order.
/// bool becomes u8 (0 or 1), uint16 i32, uint32 i64, and uint64 i64 when every value fits; float16, 32, 64 and int8 to
/// int64 and uint8 keep their type. Anything else (objects, strings, complex, records) is refused by name.
Array read_npy(const std::filesystem::path& path);
/// Writes version 1, little endian, row-major; bf16 is written as float32, which NumPy has.
void write_npy(const std::filesystem::path& path, const Array& array);
/// Several such files: where one of them cannot be written, none appears.
struct NpyFile {
  std::filesystem::path path;
  const Array* array;  ///< borrowed
};
void write_npy(std::span<const NpyFile> files);

// ---- CSV and TSV ----------------------------------------------------------------------------------------------------

/// How text labels become class indices.
enum class ClassOrder : std::uint8_t {
  sorted,      ///< by the bytes of their names: the same set of names gives the same indices in every file
  appearance,  ///< in order of first appearance
};

struct CsvOptions {
  char separator = 0;        ///< 0: a tab if the header line has one, else a comma
  DType type = DType::f32;   ///< of the numeric columns: fp32 or fp64
  std::string label_column;  ///< name of the column with class labels; empty: none
  ClassOrder class_order = ClassOrder::sorted;
  std::vector<std::string> classes;         ///< known class names, in index order; empty: collected from the file
  std::vector<std::string> ignore_columns;  ///< names of columns to leave out
  bool allow_missing = false;  ///< empty, "NA", "NaN", "?", "inf" fields become NaN or infinity, not errors
};

struct CsvTable {
  std::vector<std::string> columns;  ///< names of the numeric columns, in file order
  Array values;                      ///< [rows, columns], fp32 or fp64
  Array labels;                      ///< [rows] i64 when there is a label column, else empty
  std::vector<std::string> classes;  ///< names of the classes by index; empty when the labels are integers in the file

  /// Index of a numeric column; throws Error(unknown_name) listing the columns.
  std::int64_t column(std::string_view name) const;
};

/// Reads a table with a header line. Line ends may be LF, CRLF or CR; a UTF-8 byte order mark is skipped, as are empty
/// lines; fields may be quoted, with "" for a quote. Numbers are read independently of the locale. Label fields that
/// are all integers are the labels themselves (unless CsvOptions::classes is given); otherwise they are names.
CsvTable read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

// ---- safetensors ----------------------------------------------------------------------------------------------------

/// Named tensors and string metadata.
struct TensorFile {
  std::vector<std::pair<std::string, Array>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of this name, or null.
  const Array* find(std::string_view name) const;
  /// The same; throws Error(unknown_name).
  const Array& at(std::string_view name) const;
};

/// Reads F64 F32 F16 BF16 U8 I8 I16 I32 I64 (other types are refused by name), in the order of the data in the file.
TensorFile read_safetensors(const std::filesystem::path& path);
/// Writes wide elements before narrow ones, otherwise in the order given, so that every tensor is aligned. Duplicate
/// names, the name "__metadata__" and text that is not UTF-8 are refused with Error(bad_argument).
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

// ---- Dataset --------------------------------------------------------------------------------------------------------

/// x = (value - shift) * scale. One entry holds for every feature; otherwise there is one entry for each.
struct Scaling {
  std::vector<double> shift{0.0};
  std::vector<double> scale{1.0};
};

/// Where a batch goes: buffers of the caller. A null pointer leaves that part out.
struct BatchBuffers {
  float* x = nullptr;              ///< [rows, feature_size]
  std::int32_t* labels = nullptr;  ///< [rows], for integer targets
  float* targets = nullptr;        ///< [rows, target_size], for real targets
  float* weights = nullptr;        ///< [rows]; 1 where the dataset has no weights
};

/// Samples in memory, in the type they were stored in; converted to float as batches are gathered. Copies share the
/// samples, which are never modified, so a Dataset is cheap to pass by value and safe to read from several threads.
class Dataset {
 public:
  /// features [n, ...]; targets [n] of an integer type (class labels), or [n] or [n, k] of a real type; weights [n]
  /// real, or empty. Throws Error(bad_shape) naming both counts when they disagree, Error(bad_label) for an integer
  /// label outside int32. `classes` 0 means the largest label plus one. Negative and too large labels are kept: the
  /// loss reports them.
  Dataset(Array features, Array targets, Array weights = {}, Scaling scaling = {}, std::int64_t classes = 0);

  std::int64_t size() const;
  /// Features of one sample, and their shape (the features' shape without its first extent).
  std::int64_t feature_size() const;
  std::vector<std::int64_t> feature_shape() const;
  /// Whether the targets are class labels; else they are real.
  bool has_labels() const;
  /// Real targets of one sample; 0 when the targets are labels.
  std::int64_t target_size() const;
  /// Classes; 0 when the targets are real.
  std::int64_t classes() const;
  bool has_weights() const;
  const Scaling& scaling() const;

  /// The names of the classes, where the file had names: also of labels that became real targets.
  const std::vector<std::string>& class_names() const;
  void set_class_names(std::vector<std::string> names);

  /// The same samples with another conversion: for example the training set's, for a test set.
  Dataset with_scaling(Scaling scaling) const;
  /// The samples at these rows, in this order.
  Dataset subset(std::span<const std::int64_t> rows) const;
  /// Mean and reciprocal standard deviation (1 where it is 0) of each feature, in double, in row order.
  Scaling standard_scaling() const;

  /// Converts the samples at `rows` into `out`, row after row. Allocates nothing. Throws Error(bad_argument) for a row
  /// outside [0, size()), naming it, before anything is written, and for labels or targets that are not there.
  void gather(std::span<const std::int64_t> rows, const BatchBuffers& out) const;

 private:
  struct Samples;
  std::shared_ptr<const Samples> samples_;
  std::shared_ptr<const std::vector<std::int64_t>> rows_;  // null: all of them
  Scaling scaling_;
  std::vector<float> scaling_f_;  // shift, then scale, in float
  std::vector<std::string> class_names_;
};

enum class FileKind : std::uint8_t { automatic, idx, npy, csv };
enum class Normalise : std::uint8_t {
  none,      ///< values as they are
  unit,      ///< divided by 255
  standard,  ///< minus the mean, divided by the standard deviation, of each feature of this file
  given,     ///< by DataSource::scaling
};

/// What is made of targets that have another form than the loss takes.
enum class TargetForm : std::uint8_t {
  as_given,
  signs,    ///< zeros and ones become -1 and 1, fp32, where there is nothing else; integers become fp32
  one_hot,  ///< rows [n, classes] of zeros and a one become the class of the one, i64 [n]
};
constexpr std::array<std::string_view, 3> names_of(TargetForm) { return {"as_given", "signs", "one_hot"}; }

/// Targets of any type in this form; labels [n] of an integer type are in the form one_hot already. Throws
/// Error(format) naming the first row that is not one 1 among zeros.
Array in_form(Array targets, TargetForm form);

/// What load_dataset reads.
struct DataSource {
  FileKind kind =
      FileKind::automatic;         ///< automatic: by the extension of `features` (.npy, .csv, .tsv, .txt; else idx)
  std::filesystem::path features;  ///< for csv: the table
  std::filesystem::path targets;   ///< idx, npy
  std::filesystem::path weights;   ///< npy, optional
  CsvOptions csv;                  ///< csv; `label_column` makes a classification set
  std::vector<std::string> target_columns;  ///< csv: numeric columns that are real targets
  std::string weight_column;                ///< csv: numeric column with sample weights
  Normalise normalise = Normalise::none;
  Scaling scaling;
  std::int64_t classes = 0;  ///< 0: the largest label plus one, or the number of class names
  TargetForm target_form = TargetForm::as_given;
};

Dataset load_dataset(const DataSource& source);

/// Two disjoint parts drawn by (seed): round(fraction * size) samples, and the rest, each in the original order.
/// Throws Error(bad_argument) when a part would be empty.
std::pair<Dataset, Dataset> split(const Dataset& dataset, double fraction, std::uint64_t seed);

// ---- order and loader -----------------------------------------------------------------------------------------------

/// The permutation of [0, n) for (seed, epoch): indices sorted by (64-bit Philox key, index), so it is a function of
/// its arguments alone, on every machine. key(i) = random_word64(seed, i, stream_of(RandomUse::shuffle), epoch).
class SampleOrder {
 public:
  /// Without `shuffle` the order is 0, 1, 2, ... in every epoch.
  SampleOrder(std::int64_t n, std::uint64_t seed, bool shuffle = true);
  /// The order of an epoch; valid until the next call.
  std::span<const std::int64_t> at(std::int64_t epoch);

 private:
  std::uint64_t seed_;
  bool shuffle_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
};

/// A batch in the loader's buffers. Pointers to what the dataset does not have are null.
struct HostBatch {
  std::int64_t rows = 0;
  BatchBuffers data;
  std::span<const std::int64_t> indices;  ///< the samples' rows in the dataset
  std::int64_t epoch = 0;
  std::int64_t position = 0;  ///< samples of this epoch before this batch
};

/// Memory for the loader's buffers, for example pinned. Both empty: ordinary memory aligned to 64 bytes. `allocate`
/// returns memory aligned to at least 16 bytes or throws.
struct BufferAllocator {
  std::function<void*(std::size_t)> allocate;
  std::function<void(void*)> release;
};

struct LoaderOptions {
  std::int64_t batch_size = 32;
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = false;  ///< leave out the last batch of an epoch when it is not full
  int buffers = 2;         ///< batches in memory, at least 2: one with the caller, the others being prepared
  BufferAllocator allocator;
  /// Called on the loader's thread after a batch is gathered: augmentation. What it throws comes out of next().
  std::function<void(HostBatch&)> prepare;
};

/// All that is needed to go on where a loader stood.
struct LoaderState {
  std::int64_t epoch = 0;
  std::int64_t position = 0;  ///< samples of the epoch delivered
  friend bool operator==(const LoaderState&, const LoaderState&) = default;
};

/// Prepares batches ahead on a thread of its own. Its methods are for one caller thread.
class Loader {
 public:
  Loader(Dataset dataset, LoaderOptions options);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  /// Stops the thread; never throws.
  ~Loader();

  /// The next batch, valid until the next call of next(), seek() or the destructor. False at the end of an epoch; the
  /// call after that begins the next epoch. Throws what went wrong on the loader's thread, and again on further calls.
  bool next(HostBatch& batch);

  /// Where the loader stands, counting what next() has delivered.
  LoaderState state() const;
  /// Goes on from there; throws Error(bad_argument) for a state outside the dataset.
  void seek(LoaderState state);

  std::int64_t batches_per_epoch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fuselage
