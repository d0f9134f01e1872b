"""What is claimed, and which figure of which benchmark shows it.

Comes in: nothing; these are tables. Goes out: CLAIMS, in the order of BENCHMARKS.md, and RATIOS, the bars of
its chart. ``{a/b/c:.1%}`` in a figure is the value under these keys of a result, formatted as Python does
(``MB`` and ``min`` besides, of bytes and seconds); ``*`` stands for any key, and ``least`` or ``most`` before
it for the smallest or largest of those. Not its job: filling the figures in (see benchmarks_page).
"""

from __future__ import annotations

from typing import NamedTuple


class Claim(NamedTuple):
    """One row of the table. The command and the date are the result's own."""

    claim: str
    result: str
    """The name of a file in benchmarks/results, without .json."""
    figure: str
    """One sentence; what is in braces comes from the result."""
    must_be: str = ""
    """``left == right``, each the keys of a value or a value: what else the sentence says without a figure.
    Several with ``and`` between them."""


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
        "{accounted_for} of {files} files, and `verify` finds nothing wrong",
        "accounted_for == files and verify_exit_code == 0",
    ),
    Claim(
        "a run that was killed exports the same bytes",
        "kill_resume",
        "{export_files} of {export_files} files are identical after {kills_landed} kills",
        "export_is_byte_identical == True",
    ),
    Claim(
        "no fault at any change of the run folder loses a caption",
        "crash_points",
        "{all/tried:,} kills, torn writes, full disks, I/O errors and power cuts:"
        " {all/captions_lost} captions lost, {all/captions_doubled} made twice, {all/refused} runs refused",
        "all/survived == all/tried and all/captions_lost == 0",
    ),
    Claim(
        "damage is seen",
        "damage",
        "{of_those_seen:,} of {change_what_a_stage_or_a_reader_uses:,} are seen, of damages to what is used",
        "of_those_seen == change_what_a_stage_or_a_reader_uses",
    ),
    Claim(
        "the demo's captions name what is there, in scenes that the model has not seen",
        "demo_quality",
        "{least */recall:.0%} of the things shown, each with its colour",
    ),
    Claim(
        "and little that isn't there",
        "demo_quality",
        "{most */wrong_share:.0%} of the things named are not there;"
        " {most */untrue_of_all_share:.0%} of sets' captions say of all images what isn't so",
    ),
    Claim(
        "large JPEGs are decoded faster than by open_clip's transform",
        "decode_speed",
        "{drawn/by_input_side_px/224/ratio:.1f} times the images a second on one core at 224 pixels"
        " ({drawn/mean_bytes:MB} each)",
    ),
    Claim(
        "the encoder never waits for preprocessing",
        "encoder_busy",
        "a made-up encoder is busy {busy_in_pipeline:.1%} of the time; in a plain loop"
        " {busy_in_naive_loop:.0%}",
    ),
    Claim(
        "neighbours are found faster than by faiss' `IndexIVFFlat.search`, at equal recall",
        "self_join",
        "{sizes/-1/times_the_peer:.1f} times at {sizes/-1/images:,} images and a recall@16 of"
        " {sizes/-1/recall_at_16:.2f}",
    ),
    Claim(
        "a million images become sets on one machine",
        "grouping_quality",
        "{tables/1,000,000 images/triptych/time_s:min} and"
        " {tables/1,000,000 images/triptych/peak_memory_mb:,} MB,"
        " {tables/1,000,000 images/triptych/coverage:.0%} of the made-up images in sets",
    ),
    Claim(
        "sets hold what belongs together, beside complete link at equal coverage",
        "grouping_quality",
        f"a precision of {{{_AT_20_000.format('triptych')}:.4f}} beside"
        f" {{{_AT_20_000.format('agglomerative')}:.4f}} (20,000 images)",
    ),
    Claim(
        "also on real photographs, as an ImageNet network sees them",
        "photo_sets",
        "{labelled/triptych, precision/of_one_kind/2:.1%} of the sets that cover 40% of the images are of one"
        " kind, {labelled/triptych, precision/of_one_kind/4:.1%} at 60%; of complete link's, its threshold"
        " chosen in hindsight, {labelled/complete link/of_one_kind/2:.1%} and"
        " {labelled/complete link/of_one_kind/4:.1%}",
    ),
    Claim(
        "images are found by words or by a picture, exactly",
        "search_speed",
        "{images_s:.1f} s for images and {sets_s:.1f} s for sets, of {images:,} images",
        "searches_equal_to_numpy == True",
    ),
    Claim(
        "`make demo` in a fresh clone",
        "fresh_clone",
        "{make_demo_with_install_s:.0f} s with the install, {make_demo_installed_s:.0f} s without",
        "exit_codes/0 == 0 and exit_codes/1 == 0 and exit_codes/2 == 0 and exit_codes/3 == 0",
    ),
    Claim(
        "a server's slots stay full",
        "full_slots",
        "{clients/triptych/share_of_ideal:.1%} of the ideal with {slots} slots of {latency_s} s;"
        " a hand-written openai client reaches {clients/openai/share_of_ideal:.0%}",
    ),
    Claim(
        "a request costs the client little",
        "full_slots",
        "{clients/triptych/cpu_ms_per_request:.1f} ms of processor time, from the tar to the journal;"
        " bespokelabs-curator takes {clients/curator/cpu_ms_per_request:.0f} ms for the request alone",
    ),
    Claim(
        "failing servers lose no captions",
        "faults",
        "{usable_captions:,} of {requests:,} captions are there and good, although {endpoint_deaths}"
        " endpoints died and {asked:,} requests were needed",
    ),
    Claim(
        "a killed run asks again only for what was in flight",
        "caption_kill",
        "{asked_again_though_written} of {distinct_rows:,} captions were asked again after they had been"
        " written, in {kills} kills",
    ),
    Claim(
        "a huge run resumes within a minute",
        "huge_run",
        "{slowest_start_s:.0f} s and {highest_mib} MiB at most until the first request, of {images:,} images"
        " and {captions:,} captions; `triptych status` takes {slowest_status_s} s",
    ),
    Claim(
        "memory stays flat",
        "caption_memory",
        "{highest_mib:.0f} MiB at most over {requests:,} requests, {growth_mib:.1f} MiB more in the last"
        " quarter ([plot](benchmarks/results/caption_memory.svg))",
    ),
    Claim(
        "an export writes faster than plain JSON",
        "export_speed",
        "{rows_per_s/export:,} rows a second, {ratio_to_fastest_peer_in_memory/export:.1f} times the fastest"
        " of `datasets`, `json.dumps` and pandas",
    ),
    Claim(
        "also in a memory file system",
        "export_speed_in_memory",
        "{ratio_to_fastest_peer_in_memory/export:.1f} times the fastest of these, with {rows:,} rows",
    ),
    Claim(
        "a Ray cluster costs little beside the local pool, on the same cores",
        "cluster_overhead",
        "{overhead:.1%} at {images_a_shard:,} images a shard",
    ),
    Claim(
        "a cluster's driver stays small, and goes on soon",
        "cluster_driver",
        "{driver_peak_mib} MiB at most over {shards:,} shards of stand-in work; {resumed_start_s} s until a"
        " killed run of as many is at work again",
    ),
    Claim(
        "workers that die, join or are slow cost a cluster little",
        "cluster_simulation",
        "{share_of_ideal:.0%} of the ideal for {units:,} units on {workers_on_average:.0f} workers, where a"
        " straggler counts as its work; {lost} lost",
        "lost == 0 and twice == 0",
    ),
    Claim(
        "the report stays small",
        "report_size",
        "{page_bytes:MB} for {images:,} images, made in {seconds:.0f} s and {peak_memory_mib} MiB,"
        " drawn by Chromium in {drawn_s:.2f} s",
    ),
    Claim(
        "fitted images leave less to do for lmdeploy's one preprocessing thread",
        "server_load",
        f"{{{_INTERNVL}/drawn/ratio_preprocess:.1f}} times less for drawn scenes,"
        f" {{{_INTERNVL}/photograph/ratio_preprocess:.1f}} for photographs",
    ),
    Claim(
        "bad captions are rejected, and good ones kept",
        "filter_quality",
        "at least {least free_prose/captions/jobs/*/recall:.0%} and"
        " {least free_prose/captions/jobs/*/kept:.0%} in every job"
        " ([how blind that is](docs/measurements/filter-quality.md))",
    ),
    Claim(
        "also of sets that name images as the prompt asks",
        "filter_quality",
        "{least contract/*/jobs/*/recall_of_all:.1%} and {least contract/*/jobs/*/kept:.1%}, at least",
    ),
    Claim(
        "one core filters more captions than a cluster writes",
        "filter_speed",
        "{of_the_seeds_mix/all_rules:,} captions a second with all rules, in InternVL-SA-1B-Caption's mix of"
        " jobs",
    ),
    Claim(
        "rules that look for what data-juicer's and datatrove's look for, beside the faster of the two",
        "filter_speed",
        "{matching_rules_over_faster_peer/single_en:.1f} times as fast for English captions,"
        " {matching_rules_over_faster_peer/single_zh:.1f} for Chinese,"
        " {matching_rules_over_faster_peer/multi_en:.1f} and {matching_rules_over_faster_peer/multi_zh:.1f}"
        " of sets",
    ),
    Claim(
        "no text is slow to judge",
        "filter_worst",
        "{most worst_ms/*:.1f} ms of processor time at most on {bytes_a_text:,} bytes, over {texts:,} texts"
        " made for it",
    ),
    Claim(
        "re-filtering needs no re-captioning",
        "refilter",
        "filtering 12M again takes {of_12m_minutes/2 cores} minutes on 2 cores, reckoned from {captions:,}",
    ),
    Claim(
        "a check finds untrue statements",
        "checker_roc",
        "the nano checker {statements/all/found:.0%} of them at 5% of the true ones denied, AUROC"
        " {statements/all/auroc:.3f}; of captions {captions/single_en/found:.0%} to"
        " {captions/multi_zh/found:.0%}, where grounding finds"
        " {captions by grounding/multi_en/found:.0%} to {captions by grounding/single_en/found:.0%}",
    ),
    Claim(
        "a canary sees that an engine loses all images, without false alarms",
        "canary",
        "in {runs} runs {captioner/false_alarms} and {checker/false_alarms} false alarms; images that all"
        " requests lose were seen {captioner/faults_seen/images lost} and"
        " {checker/faults_seen/images lost} times",
    ),
    Claim(
        "a precision's 95% interval holds, and a checker's answers make it narrower",
        "precision_intervals",
        "it held in {least intervals/*/holds_with_checker:.1%} to {most intervals/*/holds_with_checker:.1%}"
        " of {trials:,} simulated trials; narrower by"
        " {intervals/finds 85%, denies 5%; 95% good, 2000 checked, 300 verdicts/narrower:.0%} to"
        " {intervals/finds 85%, denies 5%; 80% good, 2000 checked, 150 verdicts/narrower:.0%}"
        " with a checker that finds 85% of untrue captions and denies 5% of good ones",
    ),
    Claim(
        "ms-swift and LLaMA-Factory load what was exported for them",
        "trainer_loaders",
        "{ms-swift/rows} and {llama-factory/rows} rows of the demo, each as exported",
        "ms-swift/as_exported == True and llama-factory/as_exported == True",
    ),
    Claim(
        "finding files costs little",
        "source_overhead",
        "{times_as_long_as_walk_and_stat} times a bare walk with a look at each file",
    ),
    Claim(
        "screens find what they are for",
        "screens",
        "{share_left_out/blurred by 0.80% of the longer side/blurred:.0%} of photographs blurred by 0.8% of a"
        " side,"
        " {share_left_out/20% of the light/too_dark:.0%} at a fifth of the light,"
        " {share_left_out/pages in Chinese/text_page:.0%} of pages of text;"
        " of {photographs:,} good ones at most {most share_left_out/photographs/*:.2%} a screen",
    ),
    Claim(
        "a convolutional encoder gets the processor, not the kernel",
        "encoder_pages",
        "{towers/tf_efficientnet_lite2/slices_by_size/images_per_s} images/s on two cores,"
        " of which the kernel takes {towers/tf_efficientnet_lite2/slices_by_size/system_share:.1%};"
        " {towers/tf_efficientnet_lite2/slices_of_16/images_per_s} and"
        " {towers/tf_efficientnet_lite2/slices_of_16/system_share:.0%} in slices of 16 images",
    ),
    Claim(
        "a run says at once what it does",
        "start_time",
        "first line after {first_line_s} s; {processor_s} s of processor time until an encoder has run",
    ),
    Claim("help answers at once", "help_time", "{help_s:.2f} s"),
    Claim(
        "a light installation asks servers",
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
