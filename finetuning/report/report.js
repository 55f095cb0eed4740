
"use strict";
// The large view of one head. The weights are read from the picture of all heads: a
// pixel is 255 - 255 * sqrt(weight). Everything else on the page works without script.
(() => {
const SPECIAL = ["[CLS]", "[SEP]"];
const ROW = 20;  // The height of a word in pixels, 1.25rem.
const SVG = "http://www.w3.org/2000/svg";

function make(kind, parent, options) {
  const element = document.createElement(kind);
  Object.assign(element, options);
  parent.append(element);
  return element;
}

function percent(weight) {
  return (100 * weight).toFixed(weight < 0.0995 ? 1 : 0) + " %";
}

// Returns a function of layer, column, row i and column j to a weight.
function readWeights(image, about) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const pitch = about.size + about.gap;
  return (layer, column, i, j) => {
    const y = layer * pitch + i, x = column * pitch + j;
    const root = (255 - pixels[4 * (y * canvas.width + x)]) / 255;
    return root * root;
  };
}

function select(parent, label, names) {
  const wrapper = make("label", parent, {textContent: label + " "});
  const element = make("select", wrapper, {});
  names.forEach((name, value) => make("option", element, {textContent: name, value}));
  return element;
}

class HeadView {
  constructor(article) {
    this.about = JSON.parse(article.querySelector("script").textContent);
    this.image = article.querySelector("img");
    this.weights = readWeights(this.image, this.about);
    this.chosen = null;  // The token that is pointed at.
    this.isPinned = false;
    const view = document.createElement("div");
    article.insertBefore(view, article.querySelector("details"));
    this.addControls(view);
    this.said = make("p", view, {className: "said"});
    this.said.setAttribute("role", "status");
    const head = make("div", make("div", view, {className: "scroll"}), {className: "head"});
    this.from = make("ol", head, {className: "from"});
    this.from.setAttribute("role", "listbox");
    this.from.setAttribute("aria-label", "Tokens that look; arrow keys choose one");
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("aria-hidden", "true");
    this.lines.setAttribute("preserveAspectRatio", "none");
    head.append(this.lines);
    this.to = make("ol", head, {className: "to"});
    this.to.setAttribute("aria-label", "Tokens that are looked at");
    this.frame = make("div", this.image.parentNode, {className: "chosen"});
    this.image.parentNode.classList.add("picking");
    this.image.addEventListener("click", event => this.pick(event));
    this.showWords();
  }

  addControls(view) {
    const {layers, columns} = this.about;
    const controls = make("div", view, {className: "controls"});
    const count = (n, word) => Array.from({length: n}, (_, i) => word + " " + (i + 1));
    this.layer = select(controls, "Layer", count(layers, "layer"));
    this.column = select(controls, "Head", count(columns - 1, "head").concat("mean of the heads"));
    this.layer.value = layers - 1;
    this.column.value = columns - 1;
    const label = make("label", controls, {});
    this.special = make("input", label, {type: "checkbox", checked: true});
    label.append(" show [CLS] and [SEP]");
    this.layer.addEventListener("change", () => this.show());
    this.column.addEventListener("change", () => this.show());
    this.special.addEventListener("change", () => this.showWords());
  }

  pick(event) {
    const box = this.image.getBoundingClientRect(), {layers, columns} = this.about;
    const place = (at, size, count) => Math.min(count - 1, Math.floor(at / size * count));
    this.layer.value = place(event.clientY - box.top, box.height, layers);
    this.column.value = place(event.clientX - box.left, box.width, columns);
    this.show();
  }

  showWords() {
    const {tokens} = this.about;
    this.places = tokens.map((_, place) => place).filter(
      place => this.special.checked || !SPECIAL.includes(tokens[place]));
    if (!this.places.includes(this.chosen)) {
      this.choose(null, false);
    }
    this.from.replaceChildren();
    this.to.replaceChildren();
    this.places.forEach((place, row) => {
      const word = make("li", this.from, {textContent: tokens[place], tabIndex: row ? -1 : 0});
      word.setAttribute("role", "option");
      word.addEventListener("mouseenter", () => this.isPinned || this.choose(place, false));
      word.addEventListener("mouseleave", () => this.isPinned || this.choose(null, false));
      word.addEventListener("click", () =>
        this.choose(this.isPinned && this.chosen === place ? null : place, !(this.isPinned && this.chosen === place)));
      word.addEventListener("focus", () => word.matches(":focus-visible") && this.choose(place, true));
      word.addEventListener("keydown", event => this.move(event, row));
      make("li", this.to, {textContent: tokens[place]});
    });
    this.show();
  }

  move(event, row) {
    const last = this.places.length - 1;
    const next = {ArrowDown: Math.min(row + 1, last), ArrowUp: Math.max(row - 1, 0),
                  Home: 0, End: last}[event.key];
    if (event.key === "Escape") {
      this.choose(null, false);
    } else if (next !== undefined) {
      event.preventDefault();
      this.from.children[row].tabIndex = -1;
      this.from.children[next].tabIndex = 0;
      this.from.children[next].focus();
      this.choose(this.places[next], true);
    }
  }

  choose(place, isPinned) {
    this.chosen = place;
    this.isPinned = isPinned;
    if (this.from.children.length) {
      this.show();
    }
  }

  weight(i, j) {
    return this.weights(Number(this.layer.value), Number(this.column.value), i, j);
  }

  show() {
    this.showFrame();
    this.showLines();
    this.places.forEach((place, row) => {
      this.from.children[row].setAttribute("aria-selected", String(place === this.chosen));
      const weight = this.chosen === null ? 0 : this.weight(this.chosen, place);
      const word = this.to.children[row];
      word.style.backgroundColor = weight ? `rgba(var(--tint), ${0.5 * Math.sqrt(weight)})` : "";
      word.replaceChildren(this.about.tokens[place]);
      if (weight >= 0.01) {
        make("small", word, {textContent: percent(weight)});
      }
    });
    this.say();
  }

  showFrame() {
    const {layers, columns} = this.about, style = this.frame.style;
    style.left = 100 * this.column.value / columns + "%";
    style.top = 100 * this.layer.value / layers + "%";
    style.width = 100 / columns + "%";
    style.height = 100 / layers + "%";
  }

  showLines() {
    const count = this.places.length;
    this.lines.setAttribute("viewBox", `0 0 100 ${ROW * count}`);
    this.lines.style.height = 1.25 * count + "rem";
    this.lines.replaceChildren();
    const hasLine = this.lineTest();
    this.places.forEach((i, row) => {
      if (this.chosen !== null && this.chosen !== i) {
        return;
      }
      this.places.forEach((j, column) => {
        const weight = this.weight(i, j);
        if (hasLine(weight)) {
          const line = document.createElementNS(SVG, "path");
          line.setAttribute("d", `M0 ${ROW * (row + 0.5)}L100 ${ROW * (column + 0.5)}`);
          line.setAttribute("stroke-opacity", Math.sqrt(weight).toFixed(2));
          this.lines.append(line);
        }
      });
    });
  }

  // As many lines as words, or more where many weights are large.
  lineTest() {
    if (this.chosen !== null) {
      return weight => weight >= 0.004;
    }
    const weights = this.places.flatMap(i => this.places.map(j => this.weight(i, j)));
    const [next] = weights.sort((a, b) => b - a).slice(this.places.length);
    return weight => weight >= 0.1 || weight > next;
  }

  say() {
    if (this.chosen === null) {
      this.said.textContent = "Point at a word on the left, or choose one with Tab and the arrow " +
        "keys, to see what it attends to; a click keeps it. Lines: weights of 10 % and more, or the " +
        "largest where few are.";
      return;
    }
    const {tokens} = this.about;
    const found = tokens.map((_, place) => [this.weight(this.chosen, place), place]);
    found.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const most = found.slice(0, 4).map(([weight, place]) => `${tokens[place]} ${percent(weight)}`);
    const special = found.filter(([, place]) => SPECIAL.includes(tokens[place]));
    const sum = special.reduce((total, [weight]) => total + weight, 0);
    this.said.textContent = `“${tokens[this.chosen]}” attends most to ${most.join(", ")}. ` +
      `Of its attention, ${percent(Math.min(sum, 1))} goes to [CLS] and [SEP].`;
  }
}

for (const article of document.querySelectorAll(".attended")) {
  const image = article.querySelector("img");
  image.decode().then(() => new HeadView(article));
}

// What is closed would be missing on paper.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach(element => { element.open = true; });
});
addEventListener("afterprint", () => opened.forEach(element => { element.open = false; }));
})();
