// Live: polls the server for the run's state every two seconds, and searches images by words.

const live = (() => {
  const EVERY_MS = 2000;
  const SHOWN = 6;
  const THUMBNAIL_PX = 480;

  const ask = async (what, parameters) => {
    const answer = await fetch(`${what}?${new URLSearchParams(parameters)}`).catch((error) => {
      throw new Error(`No answer from the server (${error.message}): it has ended, or can't be reached.`);
    });
    if (answer.status === 404) throw new Error("This address is no longer valid: use the one that the server printed.");
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };

  const address = ({ key, shard }, more) => `picture?${new URLSearchParams({ key, ...(shard && { shard }), ...more })}`;
  // Pictures that arrive later get numbers like those in the page.
  const numbers = new Map(content.pictures.map((picture, number) => [picture.key, number]).filter(([, number]) => content.pictures[number].url));
  const numberOf = (key, shard) => {
    if (!numbers.has(key)) {
      numbers.set(key, content.pictures.push({ key, shard, url: address({ key, shard }, { side: THUMBNAIL_PX }) }) - 1);
    }
    return numbers.get(key);
  };
  const strip = (keys, shard) => {
    const all = keys.map((key) => numberOf(key, shard));
    return el("div.strip", {}, all.map((number) => thumbnail(number, all)));
  };

  const status = el("p.live-status", {});
  const stages = el("p.live-stages", {});
  const jobs = el("div.live-jobs", {});
  const arrivals = el("div.arrivals", {});
  const failures = el("div.live-failures", {});

  const arrived = ({ caption, shard }) => {
    const job = jobOf.get(caption.job);
    const target = caption.id.slice(caption.job.length + 1);
    const pictures = el("div", {}, job?.is_multi ? null : strip([target], shard));
    if (job?.is_multi) ask("images", { set: target }).then((keys) => pictures.replaceChildren(strip(keys)), () => {});
    return el("article.arrival", {}, pictures,
      el("header", {}, el("span.language", {}, job?.label ?? caption.job), name(target)),
      el("p.text", { lang: job?.language, dir: "auto", tabindex: "0" }, caption.text));
  };
  const failed = ({ caption }) => el("div.example", {}, name(caption.id), el("small", {}, caption.failure));

  const pace = (value) => (value === null ? "" : value >= 10 ? `${count(Math.round(value))}/s` : `${value.toFixed(1)}/s`);
  const duration = (value) => seconds(value, 0);
  // If no process works on the run, there is no pace.
  const jobRow = (job, isAtWork) => el("div.bar", {},
    el("span.bar-label", {}, jobLabel(job.job)),
    el("span.bar-track", {}, el("span.bar-fill", { style: { width: `${(100 * (job.captioned || 0)) / Math.max(1, job.planned || 0)}%` } })),
    el("span.bar-count", {}, `${count(job.captioned)} of ${count(job.planned)}`,
      el("small", {}, [isAtWork && job.left > 0 && pace(job.answers_per_s), isAtWork && job.left > 0 && job.left_s !== null && `${duration(job.left_s)} left`, job.failed > 0 && `${count(job.failed)} failed`].filter(Boolean).map((part) => ` · ${part}`))));

  const since = Object.values(ledger.jobs).reduce((sum, counts) => sum + (counts.captioned || 0), 0);
  const describe = (state) => {
    const left = state.at_work ? state.jobs.filter((job) => job.left > 0) : [];
    const known = left.filter((job) => job.left_s !== null);
    const made = state.jobs.reduce((sum, job) => sum + (job.captioned || 0), 0);
    status.replaceChildren();
    fill(status, {}, [
      el(`b.${state.at_work ? "at-work" : "at-rest"}`, { title: state.at_work }, state.at_work ? "At work" : "No process works on it"),
      known.length > 0 && ` · ${known.length < left.length ? "more than " : ""}${duration(known.reduce((sum, job) => sum + job.left_s, 0))} left`,
      ` · ${count(state.images)} images, ${count(made)} captions`,
      state.counted_s_ago !== null && ` as noted ${duration(state.counted_s_ago)} ago`,
      made > since && content.pictures.length > 0 && [" · ", el("a", { href: "" }, `${counted(made - since, "caption")} since the samples below were drawn: draw again`)],
      state.trouble && el("span.trouble", {}, ` · ${state.trouble}`),
    ]);
    stages.replaceChildren(...state.stages.map((stage) => el(`span.tag.${stage.state.replaceAll(" ", "-")}`, {}, `${stage.name}: ${stage.state}${stage.note && `, ${stage.note}`}`)));
    jobs.replaceChildren(...state.jobs.map((job) => jobRow(job, state.at_work)));
  };

  let after = 0;
  const poll = async () => {
    try {
      if (!document.hidden) {
        const state = await ask("state", { after });
        if (state.has_samples && !content.has_samples) location.reload();
        describe(state);
        arrivals.prepend(...state.captions.slice(-SHOWN).reverse().map(arrived));
        while (arrivals.childElementCount > SHOWN) arrivals.lastElementChild.remove();
        failures.prepend(...state.failures.slice(-SHOWN).reverse().map(failed));
        while (failures.childElementCount > SHOWN) failures.lastElementChild.remove();
        failures.previousElementSibling.hidden = !failures.childElementCount;
        review.sendAgain();
        after = Math.max(after, ...[...state.captions, ...state.failures].map((each) => each.number));
      }
    } catch (error) {
      status.replaceChildren(el("span.trouble", {}, error.message + (jobs.childElementCount ? " Below is the last answer." : "")));
    }
    setTimeout(poll, EVERY_MS);
  };

  const words = el("input", { type: "search", name: "words", placeholder: "two dogs on a beach", "aria-label": "search all images by words", required: true });
  const found = el("output.found", {});
  const search = async (event) => {
    event.preventDefault();
    found.replaceChildren(el("p.note", {}, "Searching; the first time the model has to be loaded."));
    try {
      const images = await ask("search", { words: words.value });
      const all = images.map((each) => numberOf(each.key));
      found.replaceChildren(el("div.found-images", {}, images.map((each, i) => el("figure", {}, thumbnail(all[i], all), el("figcaption", {}, cosine(each.cosine_similarity), " ", name(each.key))))));
    } catch (error) {
      found.replaceChildren(el("p.trouble", {}, error.message));
    }
  };

  const panel = () => {
    poll();
    return [
      status, stages, jobs,
      el("h3", {}, "Last captions"), arrivals,
      el("h3", { hidden: true }, "Last failures, in the servers' words"), failures,
      el("h3", {}, "Search all images"),
      el("form.live-search", { onsubmit: search }, words, el("button", { type: "submit" }, "Search")), found,
    ];
  };

  const send = (verdict) => fetch("verdicts", { method: "POST", body: JSON.stringify(verdict) }).then((answer) => answer.ok, () => false);
  return { panel, send, address };
})();
