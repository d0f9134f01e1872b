"""The claims of BENCHMARKS.md, and the measured values that support each.

Comes in: nothing; these are tables. Goes out: CLAIMS, in the order of BENCHMARKS.md, and RATIOS, the bars of
its chart. ``{a/b/c:.1%}`` in a figure is replaced by the value under these keys of a result, formatted as in
Python (``MB`` and ``min`` are additional formats, for bytes and seconds); ``*`` matches any key, and
``least`` or ``most`` before it takes the smallest or largest match. Not its job: filling in the values (see
benchmarks_page).
"""

from __future__ import annotations

from typing import NamedTuple


class Claim(NamedTuple):
    """One row of the table. Its command comes from the result."""

    claim: str
    result: str
    """The name of a file in benchmarks/results, without .json."""
    figure: str
    """One sentence; values of the result replace what is in braces."""
    condition: str = ""
    """What else must be true of the result: ``left == right``, each side the keys of a value or a constant.
    Several are joined by ``and``."""


class Ratio(NamedTuple):
    """One bar of the chart: how many times as fast as a peer, measured in the same run."""

    what: str
    peer: str
    result: str
    keys: str


_AT_20_000 = "tables/20,000 images/{}/precision_at_equal_coverage/100% of the least/mean"
_INTERNVL = "lmdeploy/lmdeploy.vl.model.internvl.InternVLVisionModel"

CLAIMS = (
    Claim(
        "every file of a folder of real photographs is accounted for",
        "photographs",
        "{accounted_for} of {files} files, and `triptych verify` finds no error",
        "accounted_for == files and verify_exit_code == 0",
    ),
    Claim(
        "a run that is killed and resumed exports the same bytes",
        "kill_resume",
        "{export_files} of {export_files} exported files are identical after {kills_landed} kills",
        "export_is_byte_identical == True",
    ),
    Claim(
        "no fault during a write to the run folder loses a caption",
        "crash_points",
        "{all/tried:,} kills, torn writes, full disks, I/O errors and power cuts:"
        " {all/captions_lost} captions lost, {all/captions_doubled} made twice,"
        " {all/refused} runs that could not be resumed",
        "all/survived == all/tried and all/captions_lost == 0",
    ),
    Claim(
        "damaged files are detected",
        "damage",
        "{of_those_seen:,} of {change_what_a_stage_or_a_reader_uses:,} modifications that change anything a"
        " stage or a report reads",
        "of_those_seen == change_what_a_stage_or_a_reader_uses",
    ),
    Claim(
        "the demo's captions name what is in the image, for scenes that the model was not trained on",
        "demo_quality",
        "{least */recall:.0%} of the objects, each with its colour, in the worst of the four jobs",
    ),
    Claim(
        "the demo's captions name little that is not in the image",
        "demo_quality",
        "in the worst job {most */wrong_share:.0%} of the named objects are wrong;"
        " {most */untrue_of_all_share:.0%} of set captions make a false statement about all images",
    ),
    Claim(
        "large JPEGs are decoded and resized faster than by open_clip's transform",
        "decode_speed",
        "{drawn/by_input_side_px/224/ratio:.1f} times as many images per second on one core, for an input of"
        " 224 pixels and files of {drawn/mean_bytes:MB}",
    ),
    Claim(
        "image preprocessing keeps the encoder busy",
        "encoder_busy",
        "a simulated encoder is busy {busy_in_pipeline:.1%} of the time, and {busy_in_naive_loop:.0%} in a"
        " plain loop that decodes and encodes in turn",
    ),
    Claim(
        "nearest neighbours are found faster than by faiss' `IndexIVFFlat.search`, at equal recall",
        "self_join",
        "{sizes/-1/times_the_peer:.1f} times as fast for {sizes/-1/images:,} images at a recall@16 of"
        " {sizes/-1/recall_at_16:.2f}",
    ),
    Claim(
        "a million images are grouped into sets on one machine",
        "grouping_quality",
        "{tables/1,000,000 images/triptych/time_s:min} and"
        " {tables/1,000,000 images/triptych/peak_memory_mb:,} MB of memory;"
        " {tables/1,000,000 images/triptych/coverage:.0%} of the synthetic images are in sets",
    ),
    Claim(
        "sets are more precise than those of complete-link clustering, at equal coverage",
        "grouping_quality",
        f"a precision of {{{_AT_20_000.format('triptych')}:.4f}}, complete link"
        f" {{{_AT_20_000.format('agglomerative')}:.4f}} (20,000 synthetic images)",
    ),
    Claim(
        "sets of real photographs are purer than those of complete-link clustering",
        "photo_sets",
        "{labelled/triptych, precision/of_one_kind/2:.1%} of the sets that cover 40% of the images show a"
        " single class, {labelled/triptych, precision/of_one_kind/4:.1%} at 60%; complete link with the best"
        " threshold in hindsight: {labelled/complete link/of_one_kind/2:.1%} and"
        " {labelled/complete link/of_one_kind/4:.1%}",
    ),
    Claim(
        "a search by text or by a picture is fast, and exact",
        "search_speed",
        "{images_s:.1f} s for images and {sets_s:.1f} s for sets, among {images:,} images",
        "searches_equal_to_numpy == True",
    ),
    Claim(
        "`make demo` works in a fresh clone",
        "fresh_clone",
        "{make_demo_with_install_s:.0f} s including the installation, {make_demo_installed_s:.0f} s without",
        "exit_codes/0 == 0 and exit_codes/1 == 0 and exit_codes/2 == 0 and exit_codes/3 == 0",
    ),
    Claim(
        "all request slots of a server are kept in use",
        "full_slots",
        "{clients/triptych/share_of_ideal:.1%} of the ideal throughput with {slots} slots and {latency_s} s"
        " per answer; a hand-written openai client reaches {clients/openai/share_of_ideal:.0%}",
    ),
    Claim(
        "a request costs the client little CPU time",
        "full_slots",
        "{clients/triptych/cpu_ms_per_request:.1f} ms, from the image in a tar to the caption on disk;"
        " bespokelabs-curator takes {clients/curator/cpu_ms_per_request:.0f} ms for the request alone",
    ),
    Claim(
        "failing servers lose almost no captions",
        "faults",
        "{usable_captions:,} of {requests:,} captions are usable and the others recorded as failed, although"
        " {endpoint_deaths} endpoints died and {asked:,} requests were needed",
        "distinct_rows == requests and unusable_captions_kept == 0",
    ),
    Claim(
        "a killed run repeats only the requests that were in flight",
        "caption_kill",
        "{asked_again_though_written} of {distinct_rows:,} captions were requested again although they were"
        " on disk, in {kills} kills",
    ),
    Claim(
        "a huge run resumes within a minute",
        "huge_run",
        "at most {slowest_start_s:.0f} s and {highest_mib} MiB until the first request, with {images:,}"
        " images and {captions:,} captions; `triptych status` takes {slowest_status_s} s",
    ),
    Claim(
        "captioning uses a constant amount of memory",
        "caption_memory",
        "at most {highest_mib:.0f} MiB over {requests:,} requests, {growth_mib:.1f} MiB more in the last"
        " quarter than in the third ([plot](benchmarks/results/caption_memory.svg))",
    ),
    Claim(
        "an export is written faster than by common JSON writers",
        "export_speed",
        "{rows_per_s/export:,} rows per second, {ratio_to_fastest_peer_in_memory/export:.1f} times as fast as"
        " the fastest of `datasets`, `json.dumps` and pandas",
    ),
    Claim(
        "the same on a RAM disk",
        "export_speed_in_memory",
        "{ratio_to_fastest_peer_in_memory/export:.1f} times as fast as the fastest of `datasets`,"
        " `json.dumps` and pandas, with {rows:,} rows",
    ),
    Claim(
        "a Ray cluster adds little to the time of the local process pool, on the same cores",
        "cluster_overhead",
        "{overhead:.1%} with {images_a_shard:,} images per shard",
    ),
    Claim(
        "the driver of a cluster needs little memory, and resumes quickly",
        "cluster_driver",
        "at most {driver_peak_mib} MiB over {shards:,} shards of simulated work; {resumed_start_s} s until a"
        " killed run of the same size works again",
    ),
    Claim(
        "workers that die, join or slow down cost a cluster little",
        "cluster_simulation",
        "{share_of_ideal:.0%} of the throughput that {workers_on_average:.0f} workers could reach, slow ones"
        " counted at their speed, over {units:,} units of work; {lost} lost",
        "lost == 0 and twice == 0",
    ),
    Claim(
        "the HTML report stays small",
        "report_size",
        "{page_bytes:MB} for {images:,} images, made in {seconds:.0f} s with {peak_memory_mib} MiB of memory,"
        " rendered by Chromium in {drawn_s:.2f} s",
    ),
    Claim(
        "images resized to the model's tiles need less of lmdeploy's single preprocessing thread",
        "server_load",
        f"{{{_INTERNVL}/drawn/ratio_preprocess:.1f}} times less CPU time for drawn scenes,"
        f" {{{_INTERNVL}/photograph/ratio_preprocess:.1f}} times less for photographs",
    ),
    Claim(
        "bad captions are rejected and good ones kept",
        "filter_quality",
        "at least {least free_prose/captions/jobs/*/recall:.0%} of the bad and"
        " {least free_prose/captions/jobs/*/kept:.0%} of the good ones in every job"
        " ([results on unseen captions](docs/measurements/filter-quality.md))",
    ),
    Claim(
        "the same for captions of sets that refer to images as the prompt asks",
        "filter_quality",
        "at least {least contract/*/jobs/*/recall_of_all:.1%} of the bad and"
        " {least contract/*/jobs/*/kept:.1%} of the good ones",
    ),
    Claim(
        "one core filters captions faster than a cluster writes them",
        "filter_speed",
        "{of_the_seeds_mix/all_rules:,} captions per second with all rules, in the mix of jobs of"
        " InternVL-SA-1B-Caption",
    ),
    Claim(
        "comparable rules run faster than data-juicer's and datatrove's",
        "filter_speed",
        "{matching_rules_over_faster_peer/single_en:.1f} times as fast as the faster of the two for English"
        " captions, {matching_rules_over_faster_peer/single_zh:.1f} for Chinese;"
        " {matching_rules_over_faster_peer/multi_en:.1f} and {matching_rules_over_faster_peer/multi_zh:.1f}"
        " for captions of sets",
    ),
    Claim(
        "no text takes long to filter",
        "filter_worst",
        "at most {most worst_ms/*:.1f} ms of CPU time per rule for {bytes_a_text:,} bytes, over {texts:,}"
        " texts designed to be slow",
    ),
    Claim(
        "captions can be filtered again without being made again",
        "refilter",
        "12 million captions in {of_12m_minutes/2 cores} minutes on 2 cores, extrapolated from {captions:,}",
    ),
    Claim(
        "the checker finds untrue statements",
        "checker_roc",
        "{statements/all/found:.0%} of them when 5% of the true ones are rejected, AUROC"
        " {statements/all/auroc:.3f}; {least captions/*/found:.0%} to {most captions/*/found:.0%} of untrue"
        " captions, grounding {least captions by grounding/*/found:.0%} to"
        " {most captions by grounding/*/found:.0%}",
    ),
    Claim(
        "a canary detects an engine that loses its images, without false alarms",
        "canary",
        "in {runs} runs {captioner/false_alarms} false alarms for the captioner and {checker/false_alarms}"
        " for the checker; the loss of all images was detected {captioner/faults_seen/images lost} and"
        " {checker/faults_seen/images lost} times",
    ),
    Claim(
        "a 95% interval of precision is correct, and the checker makes it narrower",
        "precision_intervals",
        "it holds in {least intervals/*/holds_with_checker:.1%} to"
        " {most intervals/*/holds_with_checker:.1%} of {trials:,} simulated trials; it is"
        " {intervals/finds 85%, denies 5%; 95% good, 2000 checked, 300 verdicts/narrower:.0%} to"
        " {intervals/finds 85%, denies 5%; 80% good, 2000 checked, 150 verdicts/narrower:.0%} narrower with"
        " a checker that rejects 85% of bad captions and 5% of good ones",
    ),
    Claim(
        "ms-swift and LLaMA-Factory load what was exported for them",
        "trainer_loaders",
        "{ms-swift/rows} and {llama-factory/rows} rows of the demo, all as exported",
        "ms-swift/as_exported == True and llama-factory/as_exported == True",
    ),
    Claim(
        "finding source files costs little",
        "source_overhead",
        "{times_as_long_as_walk_and_stat:.1f} times as long as a plain `os.walk` with an `os.stat` per file",
    ),
    Claim(
        "screens leave out bad images and keep good ones",
        "screens",
        "left out: {share_left_out/blurred by 0.80% of the longer side/blurred:.0%} of photographs blurred by"
        " 0.8% of a side, {share_left_out/20% of the light/too_dark:.0%} at a fifth of the light,"
        " {share_left_out/pages in Chinese/text_page:.0%} of pages of text; of {photographs:,} good ones at"
        " most {most share_left_out/photographs/*:.2%} per screen",
    ),
    Claim(
        "a convolutional encoder spends its CPU time on computing, not in the kernel",
        "encoder_pages",
        "{towers/tf_efficientnet_lite2/slices_by_size/images_per_s} images/s on two cores,"
        " {towers/tf_efficientnet_lite2/slices_by_size/system_share:.1%} of the CPU time in the kernel;"
        " {towers/tf_efficientnet_lite2/slices_of_16/images_per_s} images/s and"
        " {towers/tf_efficientnet_lite2/slices_of_16/system_share:.0%} in fixed slices of 16 images",
    ),
    Claim(
        "a run starts quickly",
        "start_time",
        "first line of output after {first_line_s} s; {processor_s} s of CPU time to group a single image",
    ),
    Claim("`triptych --help` is fast", "help_time", "{help_s:.2f} s"),
    Claim(
        "an installation that leaves the models to servers is small",
        "install_sizes",
        "{core/size_mb} MB, from uv's cache in {core/install_s} s; {local/size_mb:,} MB with torch",
    ),
)

RATIOS = (
    Ratio("nearest neighbours of 1M images", "faiss IndexIVFFlat", "self_join", "sizes/-1/times_the_peer"),
    Ratio(
        "comparable rules, English captions",
        "the faster of data-juicer and datatrove",
        "filter_speed",
        "matching_rules_over_faster_peer/single_en",
    ),
    Ratio(
        "comparable rules, Chinese captions",
        "the faster of data-juicer and datatrove",
        "filter_speed",
        "matching_rules_over_faster_peer/single_zh",
    ),
    Ratio(
        "decoding large JPEGs", "open_clip's transform", "decode_speed", "drawn/by_input_side_px/224/ratio"
    ),
    Ratio(
        "writing rows",
        "the fastest of datasets, json and pandas",
        "export_speed",
        "ratio_to_fastest_peer_in_memory/export",
    ),
)
