import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';
import { usePanelPlace } from './use-panel-place.ts';

export interface Popover {
  readonly open: boolean;
  readonly button: RefObject<HTMLButtonElement | null>;
  readonly panel: RefObject<HTMLDivElement | null>;
  readonly toggle: () => void;
  /** @param returnFocus false where focus has gone elsewhere by itself */
  readonly close: (returnFocus?: boolean) => void;
}

/**
 * A panel that a button opens: focus moves into it and back, Escape closes it, and so does a click or focus elsewhere
 * (the disclosure of a dialog that is not modal, WAI-ARIA Authoring Practices).
 */
export function usePopover(): Popover {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const close = useCallback((returnFocus = true) => {
    setOpen(false);
    if (returnFocus) button.current?.focus();
  }, []);
  usePanelPlace(open, button, panel);
  useEffect(() => {
    if (!open) return;
    // The panel is in the window already: scrolling to it would move the page under it.
    panel.current?.focus({ preventScroll: true });
    const inside = (node: EventTarget | null): boolean =>
      node instanceof Node && Boolean(panel.current?.contains(node) || button.current?.contains(node));
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') close();
    };
    const onPointer = (event: PointerEvent): void => {
      if (!inside(event.target)) close(false);
    };
    const onFocus = (event: FocusEvent): void => {
      if (!inside(event.target)) close(false);
    };
    document.addEventListener('keydown', onKey);
    document.addEventListener('pointerdown', onPointer);
    document.addEventListener('focusin', onFocus);
    return () => {
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('pointerdown', onPointer);
      document.removeEventListener('focusin', onFocus);
    };
  }, [open, close]);
  return { open, button, panel, toggle: useCallback(() => setOpen((open) => !open), []), close };
}
