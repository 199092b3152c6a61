/** Pages of the comparison: loaded, and asked to do something within a time. */

/** @typedef {import("@playwright/test").Page} Page */

/**
 * Load a page of the comparison.
 *
 * @param {Page} page
 * @param {string} url
 */
export async function load(page, url) {
  await page.goto(`${url}/`);
  await page.waitForFunction(() => "bench" in window);
  return page;
}

/**
 * Call a function of the page's `bench`.
 *
 * @param {Page} page
 * @param {string} name
 * @param {readonly unknown[]} args
 * @param {number} limitMs
 * @returns {Promise<unknown>}
 */
export async function ask(page, name, args, limitMs) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not end`)), limitMs);
  });
  try {
    return await Promise.race([
      page.evaluate(
        ([what, given]) =>
          /** @type {any} */ (window).bench[/** @type {string} */ (what)](.../** @type {any} */ (given)),
        /** @type {const} */ ([name, args]),
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
