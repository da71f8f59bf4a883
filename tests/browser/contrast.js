// Every visible text whose contrast is too low (WCAG 2.2, 1.4.3): below 24 px (18.66 px when bold) 4.5:1, else 3:1.
// Colours are resolved by painting them. Text over a pattern is left out, and what is switched off.
() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };

  const over = ([r, g, b, a], below) => [...[r, g, b].map((part, i) => part * a + below[i] * (1 - a)), 1];

  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const colour = rgba(style.backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };

  const ownText = (node) => [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.textContent.trim()).join("");
  const isSeen = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest("[disabled], svg, option, .visually-hidden");

  const faults = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = ownText(node);
    const ground = text && isSeen(node) ? behind(node) : null;
    if (!ground) continue;
    const style = getComputedStyle(node);
    const [high, low] = [luminance(over(rgba(style.color), ground)), luminance(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)} ${style.color} "${text.slice(0, 30)}"`);
  }
  return [...new Set(faults)];
}
