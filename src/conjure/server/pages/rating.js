// The rating page: what is on it is kept in this browser at once and on the server a moment later.

const at = (id) => document.getElementById(id);
const SURE = ["guess", "unsure", "fairly", "sure", "certain"];
const RETRY = 2000, DELAY = 150; // ms
let who = JSON.parse(localStorage.getItem("conjure rater") || "null");
let state = null, draft = null, began = 0, saving = null, sending = false, warned = "";

// --- talking to the server

async function call(method, path, body, more = {}) {
  const headers = who ? { "X-Rater": encodeURIComponent(who.name), "X-Token": who.token } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), ...more });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const detail = typeof found.detail === "string" ? found.detail : null;
    throw Object.assign(new Error(found.error || detail || `the server answered ${answer.status}`), { status: answer.status });
  }
  return found;
}

const tell = (text) => { at("status").textContent = text; };
const complain = (text) => { at("said").textContent = text; };
const kept = (id) => `conjure draft ${state.round} ${who.name} ${id}`;

function save() {
  if (!state?.task) return;
  draft.at = Date.now();
  draft.seconds = Math.round((draft.before + Date.now() - began) / 1000);
  localStorage.setItem(kept(state.task.prompt_id), JSON.stringify(draft));
  clearTimeout(saving);
  saving = setTimeout(push, DELAY, state.task.prompt_id);
}

async function push(id) {
  if (state?.task?.prompt_id !== id || sending) return;
  try {
    await call("PUT", `api/draft/${id}`, draft);
    tell("saved");
  } catch (error) {
    if (error.status) return complain(error.message);
    tell("no connection: kept in this browser, trying again");
    saving = setTimeout(push, RETRY, id);
  }
}

async function submit(skipped) {
  const task = state.task;
  if (!task || sending) return;
  const placed = Object.keys(draft.ranks).length;
  const scored = Object.values(draft.scores).some((rated) => Object.keys(rated).length);
  if (!skipped && !placed && !scored) return complain("Place or score something first, or skip.");
  if (!skipped && placed === 1 && task.completions.length > 1 && warned !== `${task.prompt_id}`) {
    warned = `${task.prompt_id}`;
    return complain("Only one is placed, so nothing is compared. Submit again if that is what you mean.");
  }
  sending = true;
  clearTimeout(saving);
  at("submit").disabled = at("skip").disabled = true;
  const seconds = (draft.before + Date.now() - began) / 1000;
  const { ranks, scores, confidence, comment, flagged } = draft;
  const body = skipped ? { skipped, comment, flagged, seconds } : { ranks, scores, confidence, comment, flagged, seconds };
  for (;;) {
    try {
      const found = await call("POST", `api/judgement/${task.prompt_id}`, body);
      localStorage.removeItem(kept(task.prompt_id));
      sending = false;
      show(found);
      return tell(skipped ? "skipped" : "submitted");
    } catch (error) {
      if (error.status) { complain(error.message); break; }
      tell("no connection: kept in this browser, trying again");
      await new Promise((go) => setTimeout(go, RETRY));
    }
  }
  sending = false;
  at("submit").disabled = at("skip").disabled = false;
}

async function undo() {
  if (sending) return;
  clearTimeout(saving);
  const found = await call("POST", "api/undo").catch((error) => complain(error.message));
  if (!found) return;
  if (found.task) localStorage.removeItem(`conjure draft ${found.round} ${who.name} ${found.task.prompt_id}`);
  show(found);
  tell(found.undone ? "the last judgement is open again" : "nothing to undo");
}

// --- showing

function make(tag, more = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...inside);
  return made;
}

function show(found) {
  state = found;
  at("round").textContent = found.round;
  at("progress").max = Math.max(1, found.all);
  at("progress").value = found.done;
  at("count").textContent = `${found.done} of ${found.all}`;
  at("sign-in").hidden = true;
  at("undo").hidden = at("leave").hidden = false;
  at("task").hidden = !found.task;
  at("done").hidden = Boolean(found.task);
  complain("");
  if (!found.task) {
    at("thanks").textContent = found.disputed ? "Nothing disputed is left." : "There is nothing left to judge in this round. Thank you.";
    return;
  }
  at("question").textContent = found.question;
  at("prompt").textContent = found.task.prompt;
  at("submit").disabled = at("skip").disabled = false;
  begin(found.task);
  build(found.task);
  paint();
  scrollTo(0, 0);
  at("cards").firstElementChild?.focus({ preventScroll: true });
}

function begin(task) {
  const empty = { ranks: {}, scores: {}, confidence: null, comment: "", flagged: false, at: 0, seconds: 0 };
  const mine = JSON.parse(localStorage.getItem(kept(task.prompt_id)) || "{}");
  const theirs = task.draft || {};
  const newer = (mine.at || 0) > (theirs.at || 0) ? mine : theirs;
  draft = { ...empty, ...newer };
  draft.before = 1000 * (draft.seconds || 0);
  began = Date.now();
  if (newer === mine && mine.at) push(task.prompt_id);
  else tell(Object.keys(theirs).length ? "saved" : "");
}

const letter = (k) => String.fromCharCode(65 + k);

function build(task) {
  const count = task.completions.length;
  at("places").replaceChildren(...task.completions.map((_, k) => {
    const place = make("li", { className: "place" }, make("span", { textContent: k ? `${k + 1}` : "1 best" }), make("div", { className: "chips" }));
    place.dataset.place = k + 1;
    return place;
  }));
  at("cards").replaceChildren(...task.completions.map((c, k) => card(task, c, k, count)));
  at("confidence").replaceChildren(at("confidence").querySelector("legend"), ...SURE.map((word, k) => choice("confidence", k / (SURE.length - 1), word)));
}

function card(task, completion, k, count) {
  const head = make("div", { className: "head" }, make("b", { textContent: letter(k) }));
  for (let place = 1; place <= count; place++) {
    const button = make("button", { type: "button", textContent: place, ariaLabel: `${letter(k)}: place ${place}`, onclick: () => put(completion.id, place) });
    button.dataset.place = place;
    head.append(button);
  }
  const scores = task.criteria.map((name) => {
    const group = make("fieldset", {}, make("legend", { textContent: name }));
    for (let points = 1; points <= task.points; points++) group.append(choice(`${name} ${completion.id}`, points, points));
    group.dataset.criterion = name;
    return group;
  });
  const made = make("article", { tabIndex: 0, ariaLabel: `Completion ${letter(k)}` }, head,
    make("p", { className: "text", textContent: completion.text, dir: "auto" }), ...scores);
  made.dataset.id = completion.id;
  made.dataset.letter = letter(k).toLowerCase();
  return made;
}

function choice(name, value, text) {
  return make("label", {}, make("input", { type: "radio", name, value }), document.createTextNode(text));
}

function paint() {
  const cards = [...at("cards").children];
  for (const chips of document.querySelectorAll(".chips")) chips.replaceChildren();
  for (const one of cards) {
    const id = one.dataset.id, place = draft.ranks[id] || 0;
    for (const button of one.querySelectorAll("button[data-place]")) button.ariaPressed = String(Number(button.dataset.place) === place);
    for (const group of one.querySelectorAll("fieldset"))
      for (const input of group.querySelectorAll("input")) input.checked = draft.scores[group.dataset.criterion]?.[id] === Number(input.value);
    const chip = make("span", { className: "chip", textContent: one.dataset.letter.toUpperCase(), onpointerdown: drag });
    chip.dataset.id = id;
    document.querySelector(`.place[data-place="${place}"] .chips`).append(chip);
  }
  for (const input of at("confidence").querySelectorAll("input")) input.checked = draft.confidence === Number(input.value);
  if (at("comment").value !== draft.comment) at("comment").value = draft.comment;
  at("flag").ariaPressed = String(draft.flagged);
}

// --- judging

function put(id, place) {
  if (place) draft.ranks[id] = place; else delete draft.ranks[id];
  complain("");
  save();
  paint();
}

function drag(event) {
  const chip = event.currentTarget, id = chip.dataset.id;
  event.preventDefault();
  const over = (e) => document.elementsFromPoint(e.clientX, e.clientY).find((n) => n.classList?.contains("place"));
  const move = (e) => {
    chip.classList.add("moving");
    chip.style.left = `${e.clientX - 14}px`;
    chip.style.top = `${e.clientY - 14}px`;
    for (const place of document.querySelectorAll(".place")) place.classList.toggle("over", place === over(e));
  };
  const end = (e) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
    removeEventListener("pointercancel", end);
    for (const place of document.querySelectorAll(".place")) place.classList.remove("over");
    const place = e.type === "pointerup" ? over(e) : null;
    if (place) put(id, Number(place.dataset.place)); else paint();
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);
}

const here = () => document.activeElement?.closest?.("article");

function digit(value) {
  const group = document.activeElement?.closest?.("fieldset");
  if (group) {
    const input = [...group.querySelectorAll("input")].find((i) => i.parentElement.textContent === String(value));
    if (input) { input.click(); input.focus(); }
    return;
  }
  const one = here();
  if (!one || value > state.task.completions.length) return;
  put(one.dataset.id, value);
  const rest = [...at("cards").children];
  const next = [...rest.slice(rest.indexOf(one) + 1), ...rest].find((c) => !draft.ranks[c.dataset.id]);
  if (value && next) next.focus();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || at("keys").open || !state?.task) return;
  const target = event.target, typing = target.matches("textarea, input:not([type])");
  if (typing) return;
  const key = event.key, cards = [...at("cards").children];
  const named = cards.find((c) => c.dataset.letter === key.toLowerCase());
  if (key === "Enter" && !target.matches("button")) submit(false);
  else if (key === "-") submit(true);
  else if (key === "!") flag();
  else if (key === "?") at("keys").showModal();
  else if (/^[0-9]$/.test(key)) digit(Number(key));
  else if (named) named.focus();
  else if (key === "z") undo();
  else if ((key === "ArrowDown" || key === "ArrowUp") && !target.matches("input")) {
    const k = cards.indexOf(here()) + (key === "ArrowDown" ? 1 : -1);
    cards[Math.max(0, Math.min(cards.length - 1, k))].focus();
  } else return;
  event.preventDefault();
}

function flag() {
  draft.flagged = !draft.flagged;
  save();
  paint();
}

// --- coming and going

async function start() {
  const asked = new URLSearchParams(location.search);
  if (asked.get("name") && asked.get("token")) await come(asked.get("name"), asked.get("token"), asked.get("key") || "");
  if (!who) return ask();
  for (;;) {
    try {
      return show(await call("GET", "api/task"));
    } catch (error) {
      if (error.status === 401) return ask();
      if (error.status) { tell(error.message); return; }
      tell("no connection: trying again");
      await new Promise((go) => setTimeout(go, RETRY));
    }
  }
}

function ask() {
  at("sign-in").hidden = false;
  at("task").hidden = at("done").hidden = at("undo").hidden = at("leave").hidden = true;
  at("name").value = who?.name || "";
  at("name").focus();
}

async function come(name, token, key) {
  try {
    who = await call("POST", "api/raters", { name, token, key });
    localStorage.setItem("conjure rater", JSON.stringify(who));
    at("welcome").hidden = Boolean(token);
    at("welcome").textContent = `Your token is ${who.token}: keep it to go on from another browser.`;
    tell("");
    return true;
  } catch (error) {
    tell(error.status ? error.message : "no connection");
    return false;
  }
}

at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  who = null;
  if (await come(at("name").value, at("token").value, at("key").value)) show(await call("GET", "api/task"));
});
at("cards").addEventListener("change", (event) => {
  const name = event.target.closest("fieldset").dataset.criterion, id = event.target.closest("article").dataset.id;
  (draft.scores[name] ||= {})[id] = Number(event.target.value);
  save();
});
at("confidence").addEventListener("change", (event) => { draft.confidence = Number(event.target.value); save(); });
at("comment").addEventListener("input", () => { draft.comment = at("comment").value; save(); });
at("submit").addEventListener("click", () => submit(false));
at("skip").addEventListener("click", () => submit(true));
at("flag").addEventListener("click", flag);
at("undo").addEventListener("click", undo);
at("help").addEventListener("click", () => at("keys").showModal());
at("leave").addEventListener("click", () => { localStorage.removeItem("conjure rater"); who = state = null; ask(); });
addEventListener("keydown", pressed);
addEventListener("pagehide", () => {
  if (state?.task && draft?.at && !sending) call("PUT", `api/draft/${state.task.prompt_id}`, draft, { keepalive: true }).catch(() => {});
});
start();
