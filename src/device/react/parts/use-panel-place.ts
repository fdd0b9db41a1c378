import { type RefObject, useLayoutEffect } from 'react';
import { placePanel } from './panel-place.ts';

/**
 * Keeps an open panel beside its button and inside the window, by the custom properties that the stylesheet places it with.
 * It is in the browser's top layer: no ancestor that scrolls, clips or transforms can cut it. A browser without popovers
 * (before Chrome 114, Firefox 125, Safari 17) shows it where an ancestor that transforms lets it.
 */
export function usePanelPlace(
  open: boolean,
  button: RefObject<HTMLElement | null>,
  panel: RefObject<HTMLElement | null>,
): void {
  useLayoutEffect(() => {
    const [anchor, element] = [button.current, panel.current];
    if (!open || !anchor || !element) return;
    if ('showPopover' in element) {
      element.setAttribute('popover', 'manual');
      element.showPopover();
    }
    const place = (): void => {
      // Without scrollbars, which are not for covering.
      const { clientWidth: width, clientHeight: height } = document.documentElement;
      const rtl = getComputedStyle(anchor).direction === 'rtl';
      const found = placePanel(
        anchor.getBoundingClientRect(),
        element.offsetWidth,
        { width, height: Math.min(height, window.innerHeight) },
        rtl,
      );
      for (const [name, value] of Object.entries(found)) {
        element.style.setProperty(`--supapush-panel-${name}`, value === null ? 'auto' : `${value}px`);
      }
    };
    place();
    // In the capturing phase: an ancestor that scrolls does not tell the window.
    const quietly = { capture: true, passive: true };
    addEventListener('scroll', place, quietly);
    addEventListener('resize', place);
    const sizes = new ResizeObserver(place);
    sizes.observe(element);
    sizes.observe(document.documentElement);
    return () => {
      removeEventListener('scroll', place, quietly);
      removeEventListener('resize', place);
      sizes.disconnect();
    };
  }, [open, button, panel]);
}
