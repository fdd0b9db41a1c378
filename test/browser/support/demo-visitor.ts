import type { ElementHandle, JSHandle, Page } from 'puppeteer-core';
import { eventually } from '../../support/eventually.ts';

/** What a visitor does on the demo page. */
export interface DemoVisitor {
  readonly page: Page;
  signIn(email: string): Promise<void>;
  /** Clicks a button by what it says, or is called. */
  press(name: string): Promise<void>;
  /** Waits until the page shows a text. */
  sees(text: string): Promise<void>;
  /** Moves a deal to a stage. */
  move(deal: string, stage: string): Promise<void>;
  /** Makes an alert for a symbol that rises to a value. */
  addAlert(symbol: string, value: string, changes?: { recurring?: boolean }): Promise<void>;
}

export function visitDemo(page: Page): DemoVisitor {
  const sees = async (text: string): Promise<void> => {
    await eventually(
      () => page.evaluate(() => document.body.innerText),
      (shown) => shown.includes(text),
    );
  };
  const press = async (name: string): Promise<void> => {
    const handle = await page.waitForFunction(
      (wanted) =>
        [...document.querySelectorAll('button')].find(
          (button) => (button.ariaLabel ?? button.textContent?.trim()) === wanted,
        ),
      { timeout: 15_000 },
      name,
    );
    await click(handle);
  };
  return {
    page,
    sees,
    press,
    async signIn(email) {
      const field = await page.waitForSelector('#email');
      await field?.click({ count: 3 });
      await field?.type(email);
      await press('Sign in or sign up');
      await sees('Rocket');
    },
    async move(deal, stage) {
      const handle = await page.waitForFunction(
        (name, wanted) => {
          const rows = [...document.querySelectorAll('.demo-row')];
          const row = rows.find((one) => one.querySelector('.demo-name')?.textContent === name);
          return [...(row?.querySelectorAll('button') ?? [])].find((button) => button.textContent === wanted);
        },
        {},
        deal,
        stage,
      );
      await click(handle);
    },
    async addAlert(symbol, value, { recurring = false } = {}) {
      await press('New alert');
      const fill = async (label: string, text: string): Promise<void> => {
        const input = await page.waitForSelector(`.supapush-alert-form ${label}`);
        await input?.click({ count: 3 });
        await input?.type(text);
      };
      await fill('input[list]', symbol);
      await fill('input[type=number]', value);
      if (recurring)
        await page.select(
          '.supapush-alert-form > .supapush-fields > .supapush-field:last-child select',
          'recurring',
        );
      await press('Save alert');
      await page.waitForSelector('.supapush-alert-form', { hidden: true });
    },
  };
}

/** Clicks it in the middle of the window, where nothing lies above it. */
async function click(handle: JSHandle<unknown>): Promise<void> {
  const element = handle.asElement() as ElementHandle<Element> | null;
  await element?.evaluate((found) => found.scrollIntoView({ block: 'center' }));
  await element?.click();
}
