"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dialog = document.getElementById("episode"), video = dialog.querySelector("video");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const films = new Map();
  let here = null;

  const button = ({ task, row, place }) =>
    document.querySelector(`.squares[data-task="${task}"] [data-row="${row}"][data-place="${place}"]`);

  function address(film) {
    if (film.link) return film.link;
    if (!films.has(film.inside)) {
      const text = atob(document.getElementById(film.inside).textContent);
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      films.set(film.inside, URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })));
    }
    return films.get(film.inside);
  }

  function element(name, text, into) {
    const made = document.createElement(name);
    made.textContent = text;
    into.append(made);
    return made;
  }

  /* The square that is focused is the only one of its grid that Tab reaches. */
  function focus(at, andFocus = true) {
    const grid = document.querySelector(`.squares[data-task="${at.task}"]`);
    grid.querySelectorAll('[tabindex="0"]').forEach((one) => { one.tabIndex = -1; });
    const one = button(at);
    one.tabIndex = 0;
    if (andFocus) one.focus();
  }

  function moved(at, key) {
    const rows = data.squares[at.task], last = rows[at.row].length - 1;
    const to = { ...at };
    if (key === "ArrowLeft") to.place = Math.max(0, at.place - 1);
    else if (key === "ArrowRight") to.place = Math.min(last, at.place + 1);
    else if (key === "Home") to.place = 0;
    else if (key === "End") to.place = last;
    else if (key === "ArrowUp") to.row = Math.max(0, at.row - 1);
    else if (key === "ArrowDown") to.row = Math.min(rows.length - 1, at.row + 1);
    else return null;
    to.place = Math.min(to.place, rows[to.row].length - 1);
    return to;
  }

  function show(at) {
    here = at;
    const rows = data.squares[at.task], square = rows[at.row][at.place];
    document.getElementById("episode-title").textContent =
      `${data.names[at.task][at.row]}, ${square.said.split(":")[0]}`;
    dialog.dataset.film = square.film ? "yes" : "no";
    if (square.film) {
      video.src = address(square.film);
      video.setAttribute("aria-label", square.said);
      if (!calm) video.play().catch(() => {});
    } else {
      video.removeAttribute("src");
      video.load();
    }
    const facts = document.getElementById("facts");
    facts.replaceChildren();
    for (const [name, value] of square.facts) {
      element("dt", name, facts);
      element("dd", value, facts);
    }
    const others = document.getElementById("others");
    others.replaceChildren();
    rows.forEach((line, row) => {
      const other = line[at.place];
      if (!other) return;
      const chip = element("button", data.names[at.task][row], others);
      chip.type = "button";
      chip.className = `chip ${other.state}${other.film ? " film" : ""}`;
      if (row === at.row) chip.setAttribute("aria-current", "true");
      chip.setAttribute("aria-label", `${data.names[at.task][row]}, ${other.said}`);
      chip.addEventListener("click", () => { show({ ...at, row }); others.children[row]?.focus(); });
    });
    document.getElementById("before").disabled = at.place === 0;
    document.getElementById("after").disabled = at.place === rows[at.row].length - 1;
    focus(at, false);
  }

  document.querySelectorAll(".squares").forEach((grid) => {
    const at = (one) => ({ task: +grid.dataset.task, row: +one.dataset.row, place: +one.dataset.place });
    grid.addEventListener("click", (event) => {
      const one = event.target.closest("button");
      if (!one) return;
      show(at(one));
      dialog.showModal();
      dialog.focus();
    });
    grid.addEventListener("keydown", (event) => {
      const one = event.target.closest("button");
      const to = one && !event.ctrlKey && !event.metaKey && !event.altKey && moved(at(one), event.key);
      if (!to) return;
      event.preventDefault();
      focus(to);
    });
  });

  document.getElementById("before").addEventListener("click", () => show(moved(here, "ArrowLeft")));
  document.getElementById("after").addEventListener("click", () => show(moved(here, "ArrowRight")));
  dialog.addEventListener("keydown", (event) => {
    if (event.target === video || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target === dialog && dialog.dataset.film === "yes") {
      event.preventDefault();
      if (video.paused) video.play(); else video.pause();
    }
    const to = event.key.startsWith("Arrow") && moved(here, event.key);
    if (!to) return;
    event.preventDefault();
    show(to);
  });
  /* Room for the controls below the picture, which they would cover. */
  video.addEventListener("loadedmetadata", () => {
    const bar = 56 * video.videoWidth / Math.max(1, video.clientWidth);
    video.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight + bar}`;
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    video.pause();
    focus(here);
  });
})();
