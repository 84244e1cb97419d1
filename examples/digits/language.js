/* language.js: gives the page its own language where the browser names none: in the C locale
 * WebKitGTK says 'C', which Intl refuses, and with it uPlot as it is loaded. Imported before
 * that. */

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  const { lang } = document.documentElement;
  Object.defineProperty(navigator, 'language', { value: lang, configurable: true });
}
