// What the tests ask a page, from within it.
(() => {
  // text lists the elements that show text of their own.
  const text = () => [...document.body.querySelectorAll("*")].filter((e) =>
    !e.closest("svg, noscript, script, .unseen, .skip") && e.checkVisibility({ visibilityProperty: true }) &&
    [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));

  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const colour = (s) => {
    if (!known.has(s)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = s;
      pen.fillRect(0, 0, 1, 1);
      known.set(s, [...pen.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(s);
  };
  const over = (top, below) => [0, 1, 2].map((i) => (top[i] * top[3] + below[i] * (255 - top[3])) / 255).concat(255);
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) {
      layers.unshift(colour(getComputedStyle(e).backgroundColor));
    }
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 255]);
  };

  window.weirTest = {
    // contrast names what is harder to read than WCAG AA allows.
    contrast: () => text().flatMap((e) => {
      const style = getComputedStyle(e);
      const back = ground(e);
      const [a, b] = [light(over(colour(style.color), back)), light(back)].sort((x, y) => y - x);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      const ratio = (a + 0.05) / (b + 0.05);
      return ratio < (large ? 3 : 4.5) ? [`${e.tagName}.${e.className} ${JSON.stringify(e.textContent.trim().slice(0, 30))} ${ratio.toFixed(2)}`] : [];
    }),

    // wide names what reaches beyond the window, which would scroll sideways.
    wide: () => {
      const edge = document.documentElement.clientWidth;
      const found = [...document.body.querySelectorAll("*")].filter((e) =>
        !e.closest("pre, svg, .unseen, .skip, thead") && e.checkVisibility() && e.getBoundingClientRect().right > edge + 0.5)
        .map((e) => `${e.tagName}.${e.className} ${JSON.stringify(e.textContent.trim().slice(0, 40))}`);
      return document.documentElement.scrollWidth > edge ? ["the page itself", ...found] : found;
    },

    // outline names headings that skip a level, and landmarks that are not there once.
    outline: () => {
      const faults = [];
      let last = 0;
      for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
        const level = Number(h.tagName[1]);
        if (level > last + 1) {
          faults.push(`${h.tagName} ${h.textContent} after level ${last}`);
        }
        last = level;
      }
      for (const one of ["h1", "main", "body > header", "body > footer", "head > title"]) {
        if (document.querySelectorAll(one).length !== 1) {
          faults.push(`${document.querySelectorAll(one).length} of ${one}`);
        }
      }
      for (const table of document.querySelectorAll("table")) {
        if (!table.caption || [...table.querySelectorAll("th")].some((th) => !th.scope)) {
          faults.push("a table without caption or scope");
        }
      }
      return faults;
    },

    // loaded names what was loaded from elsewhere.
    loaded: () => performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin)),

    focused: () => {
      const e = document.activeElement;
      const style = getComputedStyle(e);
      const box = e.getBoundingClientRect();
      return {
        what: `${e.tagName} ${(e.getAttribute("aria-label") || e.textContent).trim().slice(0, 40)}`,
        main: e.id === "main",
        seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 && box.bottom > 0 && box.right > 0,
      };
    },
  };
})();
