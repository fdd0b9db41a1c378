import type { Browser } from 'puppeteer-core';
import { z } from 'zod';

/** What an alert on the screen says. */
export interface Alert {
  title: string;
  body: string;
  /** `via localhost:PORT` */
  source: string;
}

/** The driver's connection, which is there and has no public type: the commands below are Firefox' own additions. */
interface BidiConnection {
  send(method: string, parameters: object): Promise<{ result: unknown }>;
}

const treeShape = z.object({ contexts: z.array(z.object({ context: z.string(), url: z.string() })) });
const evaluatedShape = z.discriminatedUnion('type', [
  z.object({ type: z.literal('success'), result: z.object({ value: z.string() }) }),
  z.object({ type: z.literal('exception'), exceptionDetails: z.object({ text: z.string() }) }),
]);

const MAIN_WINDOW = 'chrome://browser/content/browser.xhtml';
const ALERT_WINDOW = 'chrome://global/content/alerts/alert.xhtml';

/** Firefox' own windows, looked at over WebDriver BiDi with system access (`moz:scope`). */
export class ChromeScope {
  readonly #connection: BidiConnection;

  constructor(browser: Browser) {
    this.#connection = (browser as unknown as { connection: BidiConnection }).connection;
  }

  async alerts(): Promise<Alert[]> {
    return (await this.#inAlerts(`({
      title: document.getElementById('alertTitleLabel').getAttribute('value'),
      body: document.getElementById('alertTextLabel').textContent,
      source: document.getElementById('alertSourceLabel').getAttribute('value'),
    })`)) as Alert[];
  }

  /** False while no alert has this title. */
  async clickAlert(title: string): Promise<boolean> {
    const clicked = await this.#inAlerts(`(() => {
      if (document.getElementById('alertTitleLabel').getAttribute('value') !== ${JSON.stringify(title)}) return false;
      document.getElementById('alertBox').click();
      return true;
    })()`);
    return clicked.includes(true);
  }

  async closeAlerts(): Promise<void> {
    await this.#inAlerts(`(window.close(), true)`);
  }

  /** As the user does it in the settings of a page. */
  async denyNotifications(origin: string): Promise<void> {
    const [main] = await this.#windows(MAIN_WINDOW);
    if (main === undefined) throw new Error('Firefox has no window.');
    await this.#evaluate(
      main,
      `(Services.perms.addFromPrincipal(
        Services.scriptSecurityManager.createContentPrincipalFromOrigin(${JSON.stringify(origin)}),
        'desktop-notification', Services.perms.DENY_ACTION), true)`,
    );
  }

  /**
   * Errors and warnings of scripts since it was last asked, those of service workers among them, as far as they name a page
   * of localhost or push.
   */
  async errors(): Promise<string[]> {
    const [main] = await this.#windows(MAIN_WINDOW);
    if (main === undefined) return [];
    const messages = await this.#evaluate(
      main,
      `(() => {
      const messages = Services.console.getMessageArray().map(String);
      Services.console.reset();
      return messages;
    })()`,
    );
    return (messages as string[]).filter((message) => /localhost:|Push/.test(message));
  }

  /** What an expression comes to in each alert. A window that is still being filled is none yet. */
  async #inAlerts(expression: string): Promise<unknown[]> {
    const results: unknown[] = [];
    for (const context of await this.#windows(ALERT_WINDOW)) {
      const filled = `document.readyState === 'complete' &&
        document.getElementById('alertSourceLabel')?.hasAttribute('value')`;
      // One that closes meanwhile is no alert any more.
      const result = await this.#evaluate(context, `${filled} ? ${expression} : null`).catch(() => null);
      if (result !== null) results.push(result);
    }
    return results;
  }

  async #windows(url: string): Promise<string[]> {
    const { result } = await this.#connection.send('browsingContext.getTree', { 'moz:scope': 'chrome' });
    const { contexts } = treeShape.parse(result);
    return contexts.filter((context) => context.url === url).map(({ context }) => context);
  }

  async #evaluate(context: string, expression: string): Promise<unknown> {
    const { result } = await this.#connection.send('script.evaluate', {
      expression: `JSON.stringify(${expression})`,
      target: { context },
      awaitPromise: true,
    });
    const evaluated = evaluatedShape.parse(result);
    if (evaluated.type === 'exception') throw new Error(evaluated.exceptionDetails.text);
    return JSON.parse(evaluated.result.value);
  }
}
