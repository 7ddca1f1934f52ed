"""The seeded bugs: what a slip of the hand looks like, and the test case that must notice.

`old` stands exactly once in the file. No two mutants change one line, none merely returns a constant, and every file src/cpu/*.cpp
has one: mutants.py checks all that.
"""
from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    test: str


INTEGERS = "conv2d: equals a plain loop bit for bit on integers"
TILES = "conv2d tiles: every algorithm and pass agrees with the direct one"
GROUPS = "net: large samples go through in groups, and give what each gives alone"
MARGIN = "softmax_cross_entropy: the margin is taken from the target alone, by its rule, before the scale"

MUTANTS = [
    # signs
    Mutant("batch_norm_projection_sign", "src/cpu/batch_norm.cpp", "- (from[c] - means[c]) * scale_terms[c]",
           "+ (from[c] - means[c]) * scale_terms[c]", "gradcheck: batch normalisation (train)"),
    Mutant("normalize_projection_sign", "src/cpu/normalize.cpp", "radial - along * inverse", "radial + along * inverse",
           "gradcheck: l2 normalise"),
    Mutant("sgd_uphill", "src/cpu/sgd.cpp", "values[i] -= velocity", "values[i] += velocity",
           "sgd: the learning rate is inside the momentum, and decay acts on the old weight"),
    Mutant("softmax_target_sign", "src/cpu/softmax_cross_entropy.cpp", "factor * (probability - 1)", "factor * (probability + 1)",
           "gradcheck: softmax cross-entropy"),
    # factors that are missing
    Mutant("softmax_no_batch_mean", "src/cpu/softmax_cross_entropy.cpp",
           "dloss.data<T>()[0] / static_cast<T>(std::max<std::int64_t>(size.rows, 1))", "dloss.data<T>()[0]",
           "gradcheck: softmax cross-entropy"),
    Mutant("batch_norm_biased_variance", "src/cpu/batch_norm.cpp", "static_cast<T>(samples) / static_cast<T>(samples - 1)",
           "static_cast<T>(samples) / static_cast<T>(samples)",
           "batch_norm: running statistics are Caffe's S / factor, with an unbiased variance"),
    Mutant("dropout_backward_no_scale", "src/cpu/dropout.cpp", "kept[i] != 0 ? dout[i] * scale : T{0}", "kept[i] != 0 ? dout[i] : T{0}",
           "gradcheck: dropout"),
    Mutant("normalize_no_epsilon", "src/cpu/normalize.cpp", "std::sqrt(squares + static_cast<T>(epsilon))", "std::sqrt(squares)",
           "normalize: a zero row has finite values and gradients"),
    Mutant("pool_average_ignores_padding", "src/cpu/pool.cpp", "std::min(begin + kernel, extent + pad) - begin",
           "std::min(begin + kernel, extent) - std::max<std::int64_t>(begin, 0)", "pool: maxima and averages equal a plain loop"),
    Mutant("softmax_no_shift", "src/cpu/softmax_cross_entropy.cpp", "exponential<T>(load(values) - shift)",
           "exponential<T>(load(values))", "softmax_cross_entropy: never overflows"),
    # margins
    Mutant("margin_on_wrong_class", "src/cpu/softmax_cross_entropy.cpp", "*label = scale_ * target_;",
           "label[label_ == 0 ? 1 : -1] = scale_ * target_;", MARGIN),
    Mutant("margin_rule_compares_with_zero", "src/cpu/softmax_cross_entropy.cpp", "cosine > margin_ ? margin_ : T{0}",
           "cosine > 0 ? margin_ : T{0}", MARGIN),
    # transposed or misplaced operands
    Mutant("weights_transposed", "src/cpu/correlation.h", "to[c * padded + j] = from[j * weights.target_step + c * weights.source_step]",
           "to[c * padded + j] = from[c * weights.target_step + j * weights.source_step]", INTEGERS),
    Mutant("flatten_keeps_hwc", "src/cpu/flatten.cpp", "source[row * columns + column]", "source[column * rows + row]",
           "flatten: rows in C,H,W order"),
    Mutant("flip_channels_too", "src/cpu/flip.cpp", "put(out[c], pixel[c], to.write)", "put(out[c], pixel[channels - 1 - c], to.write)",
           "flip: columns in reverse, channels as they were"),
    Mutant("scale_shift_first_channel", "src/cpu/scale_shift.cpp", "put(dx[i], dy[i] * scales[i], write)",
           "put(dx[i], dy[i] * scales[0], write)", "gradcheck: scale and shift"),
    Mutant("batch_norm_scale_gets_shift", "src/cpu/batch_norm.cpp", "write_sums(dscale, channels)", "write_sums(dscale, 0)",
           "gradcheck: batch normalisation (inference)"),
    Mutant("conv2d_kernel_not_rotated", "src/cpu/direct_convolution.cpp", ".tap_column_step = -options.stride_w * group_channels",
           ".tap_column_step = options.stride_w * group_channels", INTEGERS),
    Mutant("conv2d_bias_of_first_group", "src/cpu/direct_convolution.cpp", ".epilogue = epilogue.from_channel(first)",
           ".epilogue = epilogue", INTEGERS),
    Mutant("conv2d_weights_wrong_group", "src/cpu/direct_weights.cpp", "dy.data<T>().data() + group * group_outputs",
           "dy.data<T>().data() + (options.groups - 1 - group) * group_outputs", INTEGERS),
    Mutant("finite_first_piece_only", "src/cpu/finite.cpp", "return values[begin + i] - values[begin + i];",
           "return values[i] - values[i];", "finite: one bad element anywhere is found"),
    # slopes and kinks
    Mutant("prelu_slope_sum_positive_side", "src/cpu/prelu.cpp", "std::min(x[i], T{0}) * dy[i]", "std::max(x[i], T{0}) * dy[i]",
           "gradcheck: prelu"),
    Mutant("prelu_shared_slope_one_channel", "src/cpu/prelu.cpp", "std::accumulate(sums.begin(), sums.end(), 0.0)",
           "std::accumulate(sums.begin(), sums.begin() + 1, 0.0)", "gradcheck: prelu"),
    Mutant("relu_gradient_at_zero", "src/cpu/relu.cpp", "out[i] > 0 ? dout[i]", "out[i] >= 0 ? dout[i]", "gradcheck: relu"),
    # a gradient assigned where it is to be added, and the other way round
    Mutant("add_backward_assigns", "src/cpu/add.cpp", "put(din[i], dout[i], write)", "put(din[i], dout[i], Write::assign)",
           "gradcheck: element-wise sum"),
    Mutant("bias_backward_assigns", "src/cpu/bias.cpp", "dbias.tensor.data<T>().data(), dbias.write,",
           "dbias.tensor.data<T>().data(), Write::assign,", "gradcheck: convolution"),
    Mutant("fully_connected_backward_adds", "src/cpu/fully_connected.cpp", "Put put = first_put;",
           "Put put = Put::add;", "gradcheck: fully connected"),
    Mutant("cosine_weights_not_projected", "src/cpu/fully_connected.cpp", "const T along = inverse *", "const T along = 0 *",
           "gradcheck: fully connected"),
    Mutant("net_overwrites_a_kept_value", "src/net/layout.cpp", "demand_.gradient[v] && !demand_.readable[v] && by.maker", "demand_.gradient[v] && by.maker",
           "heads: a training step holds one matrix of samples x classes, and a gradient over the logits is that beside them"),
    Mutant("net_second_reader_assigns", "src/net/plan.cpp", "written[v] ? Write::add : Write::assign",
           "Write::assign", "net: the gradients of a whole network with residual sums are those of its loss"),
    # ends of ranges and ties
    Mutant("accuracy_ties_count", "src/cpu/accuracy.cpp", "classes - label - 1) >= target", "classes - label - 1) > target",
           "accuracy: the share of right samples, ties to the larger index"),
    Mutant("labels_one_too_many", "src/cpu/labels.cpp", "values[sample] < classes", "values[sample] <= classes",
           "softmax_cross_entropy: a label out of range is refused by name before anything is computed"),
    Mutant("pool_last_of_ties", "src/cpu/pool.cpp", "pixel[c] > best[c] ||", "pixel[c] >= best[c] ||",
           "pool: on a tie the first pixel wins, and a NaN is not lost"),
    Mutant("pool_backward_misses_a_window", "src/cpu/pool.cpp", "std::min(pooled, (at + pad) / stride + 1)",
           "std::min(pooled, (at + pad) / stride)", "gradcheck: average pooling"),
    Mutant("pool_rounds_down", "src/cpu/pool.cpp", "round_up ? (room + stride - 1) / stride", "round_up ? (room + stride - 1) / (stride + 1)",
           "pool: the number of windows follows both rounding rules"),
    Mutant("convolution_loses_last_column", "src/cpu/convolution_tiles.h", "std::clamp<std::int64_t>(window.source_w - first, inside_begin",
           "std::clamp<std::int64_t>(window.source_w - first - 1, inside_begin", INTEGERS),
    Mutant("memory_plan_shares_a_moment", "src/net/memory_plan.cpp", "wanted.first <= other.last", "wanted.first < other.last",
           "memory plan: no two tensors that share a moment share a byte, on random lifetimes"),
    Mutant("threshold_tie_accepted", "src/eval/threshold.cpp", "std::upper_bound(same_.begin()", "std::lower_bound(same_.begin()",
           "verification: P5, thresholds and accuracies equal a slow implementation on 100 random score sets"),
    Mutant("accuracy_tie_counts_right", "src/eval/threshold.cpp", "same[i] != 0 ? scores[i] > threshold", "same[i] != 0 ? scores[i] >= threshold",
           "verification: a score equal to the threshold counts wrong, of either kind"),
    Mutant("far_tie_rejected", "src/eval/accept_rate.cpp", "std::lower_bound(genuine.begin()", "std::upper_bound(genuine.begin()",
           "verification: the true accept rate follows BLUFR's rule"),
    # formulas
    Mutant("add_third_input_replaces", "src/cpu/add.cpp", "out[i] += next[i]", "out[i] = next[i]", "add: sums any number of tensors"),
    Mutant("bias_once_per_block", "src/cpu/correlation.h", "block + 1 == blocks.count ? task.epilogue", "block + 1 <= blocks.count ? task.epilogue",
           INTEGERS),
    # convolution by tiles
    Mutant("bilinear_infinity_of_first_output", "src/cpu/bilinear.h", "result.output.at[Outputs - 1][finite] = 1;",
           "result.output.at[0][finite] = 1;", TILES),
    Mutant("bilinear_odd_part_forgets_sign", "src/cpu/bilinear_apply.h", "out[Row + 1] = even - odd;", "out[Row + 1] = even + odd;", TILES),
    Mutant("tile_reads_past_its_last_column", "src/cpu/tile_transform.cpp", "if (j >= begin && j < end) {", "if (j >= begin && j <= end) {", TILES),
    Mutant("tile_starts_one_row_low", "src/cpu/winograd_tiles.h", "image + (span.first + i) * row_elements : zeros",
           "image + (span.first + i - (span.begin > 0)) * row_elements : zeros", TILES),
    Mutant("tiles_overlap", "src/cpu/winograd.h", "return (target + passes->outputs - 1) / passes->outputs;",
           "return target / passes->outputs + (target < passes->outputs);", TILES),
    Mutant("winograd_half_panel_of_two", "src/cpu/winograd_correlate.cpp", "runs + lane * width + vector", "runs + lane * 2 * lanes<T> + vector", TILES),
    Mutant("winograd_weights_only_last_chunk", "src/cpu/winograd_weights.cpp", "m + product * room.m_step, first > begin);", "m + product * room.m_step, false);",
           "conv2d tiles: sums over many chunks"),
    Mutant("winograd_product_adds_nothing", "src/cpu/winograd_product.h",
           "a shorter chain of roundings.\n      store(to, add ? load(to) + sums[row][j]", "a shorter chain of roundings.\n      store(to, add ? load(to)",
           "conv2d tiles: sums over many chunks"),
    Mutant("data_gradient_not_turned", "src/cpu/conv2d_tiles.h", "if (options.stride_h == 1) view =", "if (options.stride_h == 3) view =", TILES),
    Mutant("tiles_for_any_padding", "src/cpu/conv2d_tiles.cpp", "options.pad_h == 1 && options.pad_w == 1;", "options.pad_h <= 2 && options.pad_w <= 2;",
           "conv2d tiles: what they do not cover is computed directly"),
    Mutant("epilogue_slope_before_bias", "src/cpu/epilogue.h", "stream_sums ? stream(sums + at + c, value)",
           "stream_sums ? stream(sums + at + c, bias == nullptr ? value : value - load(bias + c))", TILES),
    Mutant("fused_backward_without_prelu", "src/cpu/conv2d.cpp", "const Tensor& dz = active ? activation.dz : dy;", "const Tensor& dz = dy;", TILES),
    Mutant("net_shares_a_gradient_still_read", "src/net/layout.cpp", "uses_[to].first_gradient == backward_moment(i) &&",
           "uses_[to].first_gradient <= end() &&", "net: a residual of one convolution, and values read twice"),
    Mutant("prepared_for_the_other_pass", "src/cpu/conv2d.cpp", "task.kernels = kernels_of<T>(pass, options, w);",
           "task.kernels = kernels_of<T>(Conv2dPass::forward, options, w);", "conv2d tiles: prepared weights give the same bits, for fewer images too"),
    Mutant("cosine_scratch_not_forecast", "src/cpu/fully_connected.cpp", "unit_rows ? cosine_weights_size<T>(sizes) : backward_weights_size<T>(sizes)",
           "backward_weights_size<T>(sizes)", "fully_connected: the scratch memory is what was forecast"),
    # threads
    Mutant("pool_runs_a_piece_twice", "src/cpu/thread_pool.cpp", "work_(body_, pieces_ - static_cast<std::int64_t>(open >> worker_bits), worker);",
           "work_(body_, pieces_ - static_cast<std::int64_t>((open >> worker_bits) | 1), worker);", "thread_pool: every piece is done once, by a worker in range that does one at a time"),
    # groups of samples
    Mutant("groups_forget_a_round", "src/net/layout.cpp", "return group(step) < samples ? 0 : step;", "return step;", GROUPS),
    Mutant("groups_forget_a_round_backward", "src/net/layout.cpp", "return group(step) < samples ? end() - 1 : backward_moment(step);",
           "return backward_moment(step);", GROUPS),
    Mutant("groups_write_past_their_room", "src/net/layout.cpp", "const std::int64_t begin = run.begin % samples;",
           "const std::int64_t begin = run.begin % (samples == step.group ? 2 * samples : samples);", GROUPS),
    Mutant("groups_last_gradient_only", "src/net/net.cpp", "run.at.last ? parameters : Write::add", "parameters", GROUPS),
    Mutant("plan_keeps_what_was_prepared", "src/net/plan.cpp", "    node.layer->forget();\n", "",
           "net: what was prepared is forgotten by the next plan, and never used in training"),
    Mutant("panels_end_after_the_first_step", "src/cpu/winograd_correlate.cpp",
           "T, Factor, 2>(values, weights + k * width, depth, to, tile_rows * lanes<T>, k > 0,",
           "T, Factor, 2>(values, weights + k * width, depth, to, tile_rows * lanes<T>, false,", TILES),
    Mutant("direct_residual_forgets_earlier_channels", "src/cpu/epilogue.h", "if (write == Write::add) value += load(y + at + c);\n    finish",
           "if (write == Write::add && residual == nullptr) value += load(y + at + c);\n    finish", TILES),
    Mutant("shared_tiles_lose_a_part", "src/cpu/winograd_correlate.cpp", "end = panels * (part + 1) / parts", "end = panels * (part + 1) / parts - part", TILES),
    Mutant("conv2d_weights_lose_a_part", "src/cpu/direct_weights.cpp", "for (std::int64_t part = 1; part < parts.count; ++part)",
           "for (std::int64_t part = 2; part < parts.count; ++part)", INTEGERS),
    Mutant("image_input_mean_after_scale", "src/cpu/image_input.cpp", "to[i] = (static_cast<T>(from[i]) - mean) * scale",
           "to[i] = static_cast<T>(from[i]) * scale - mean", "image_input: mean, scale and mirror per image"),
    Mutant("image_input_mirrors_the_others", "src/cpu/image_input.cpp", "flags[line / height] == 0", "flags[line / height] != 0",
           "image_input: mean, scale and mirror per image"),
    Mutant("dropout_scale_of_dropped", "src/cpu/dropout.cpp", "static_cast<T>(1 / (1 - draw.ratio))", "static_cast<T>(1 / draw.ratio)",
           "dropout: the share, the scale and the draws"),
    Mutant("sgd_decay_scaled", "src/cpu/sgd.cpp", "scale * gradients[i] + decay * values[i]", "scale * (gradients[i] + decay * values[i])",
           "sgd: the learning rate is inside the momentum, and decay acts on the old weight"),
]
